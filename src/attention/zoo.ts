/** The mechanisms that are here from the start. A new one is one file and one line. */
import { eca } from './channel/eca.js';
import { sf } from './channel/selective-fusion.js';
import { sk } from './channel/selective-kernel.js';
import { se } from './channel/squeeze-excite.js';
import { gatedFusion } from './fusion/gated.js';
import { mfe } from './fusion/mfe.js';
import { msaa } from './fusion/msaa.js';
import { msf } from './fusion/msf.js';
import { osra } from './fusion/osra.js';
import { safm } from './fusion/safm.js';
import { cbam } from './hybrid/cbam.js';
import { cbamChannel } from './hybrid/channel-gate.js';
import { danetHead } from './hybrid/danet-head.js';
import { danetChannel, danetPosition } from './hybrid/danet.js';
import { cbamJoint } from './hybrid/joint-cbam.js';
import { cbamSpatial } from './hybrid/spatial-gate.js';
import { gatherExcite } from './spatial/gather-excite.js';
import { nonLocal } from './spatial/non-local.js';
import { sagan } from './spatial/sagan.js';
import { simpleNonLocal } from './spatial/simple-non-local.js';
import { simpleVit } from './tokens/simple-vit.js';

export const zoo = [
  se,
  eca,
  sk,
  sf,
  sagan,
  nonLocal,
  simpleNonLocal,
  gatherExcite,
  cbam,
  cbamChannel,
  cbamSpatial,
  cbamJoint,
  danetPosition,
  danetChannel,
  danetHead,
  gatedFusion,
  msf,
  mfe,
  safm,
  osra,
  msaa,
  simpleVit,
] as const;

/** The mechanisms of the zoo by their ids. */
export type Zoo = { readonly [One in (typeof zoo)[number] as One['id']]: One };

/** The id of a mechanism of the zoo: `se`. */
export type MechanismId = keyof Zoo;
