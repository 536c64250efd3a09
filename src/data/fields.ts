/**
 * What a batch consists of: named fields, each a tensor with a row for every example. They are plain
 * values, so that they can be sent to a thread and checked before anything is read.
 */
import { RequestError } from '../errors.js';
import type { Shape } from '../tensor/shape.js';
import { IGNORED, type DataInfo } from './dataset.js';

/** One field of a batch, and where its values come from. */
export type Field =
  /** The image, augmented and normalised: float32 [C, H, W]. Views of other numbers are augmented apart. */
  | { readonly from: 'image'; readonly view: number }
  /** Its class: int32 []. */
  | { readonly from: 'label' }
  /** The class at every pixel: int32 [H, W]; {@link IGNORED} where nobody says. */
  | { readonly from: 'mask' }
  /** A value of the data set's own: float32 or int32, of this shape. */
  | {
      readonly from: 'values';
      readonly name: string;
      readonly shape: Shape;
      readonly dtype: 'float32' | 'int32';
    }
  /** The class of the image that mixup or cutmix mixed into this one: int32 []. Without them its own. */
  | { readonly from: 'partner' }
  /** How much of the image is its own: float32 [], 1 without mixup or cutmix. */
  | { readonly from: 'share' };

/** Fields by name. */
export type Fields = Readonly<Record<string, Field>>;

/** Fields of a task's inputs: `{ images: field.image(), labels: field.label() }`. */
export const field = {
  /** @param view 0, or 1 for a second view of the same image with other random choices */
  image: (view = 0) => ({ from: 'image', view }) as const,
  label: () => ({ from: 'label' }) as const,
  mask: () => ({ from: 'mask' }) as const,
  /** @param shape of one example's; default a single number */
  values: (name: string, shape: Shape = [], dtype: 'float32' | 'int32' = 'float32') =>
    ({ from: 'values', name, shape, dtype }) as const,
  partner: () => ({ from: 'partner' }) as const,
  share: () => ({ from: 'share' }) as const,
};

/** The type of a field's tensor. */
export function fieldType(one: Field): 'float32' | 'int32' {
  if (one.from === 'values') return one.dtype;
  return one.from === 'image' || one.from === 'share' ? 'float32' : 'int32';
}

/** The shape of a field for one example. */
export function fieldShape(one: Field, { channels, height, width }: DataInfo): Shape {
  if (one.from === 'image') return [channels, height, width];
  if (one.from === 'mask') return [height, width];
  return one.from === 'values' ? one.shape : [];
}

/**
 * Puts one example's value of a field where it belongs in a batch. Images are not copied here: see batches.ts.
 * @param out the field's row for this example
 * @throws RequestError if the example has no such value, or one of another size
 */
export function fillField(
  one: Exclude<Field, { from: 'image' }>,
  {
    label,
    mask,
    values,
  }: {
    readonly label?: number;
    readonly mask?: Uint8Array;
    readonly values?: Readonly<Record<string, ArrayLike<number>>>;
  },
  out: Float32Array | Int32Array,
  name: string,
): void {
  if (one.from === 'share') {
    out[0] = 1;
    return;
  }
  const value = one.from === 'values' ? values?.[one.name] : one.from === 'mask' ? mask : [label];
  const missing = value === undefined || value[0] === undefined;
  if (missing || value.length !== out.length) {
    const what =
      one.from === 'values'
        ? `values called '${one.name}'`
        : one.from === 'mask'
          ? 'mask'
          : 'label';
    throw new RequestError(
      missing
        ? `${name} has no ${what}, which the task asks for. Use a data set that has it, or another task.`
        : `${name} has ${value.length} ${what}, where the task asks for ${out.length}.`,
    );
  }
  out.set(value as ArrayLike<number>);
}

/** What a mask's pixels stand for besides classes. */
export { IGNORED };
