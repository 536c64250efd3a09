/** A picture as numbers: what decoders make, and data sets hold. */
export interface Pixels {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** [C, H, W], 0 to 255, as stored: never normalised. */
  readonly data: Uint8Array;
}
