/**
 * How well a map finds an object whose mask is known.
 *
 * Both scores lie in 0 .. 1. A map that is the mask scores 1 in both; an even map, which says nothing,
 * scores the mask's share of the image, and so does a map of zeros. So a score means something only
 * beside that share.
 */
import { RequestError } from '../errors.js';
import { rangeOf, resizePlane, type Plane } from './plane.js';

/** The scores of one map over one image. */
export interface Localisation {
  /** Probability that the map's largest value lies on the object: 1 or 0, but for ties. */
  readonly pointing: number;
  /** Share of the map's sum that lies on the object. */
  readonly energy: number;
  /** Share of the image that the object covers: what an even map scores. */
  readonly share: number;
}

/**
 * Scores a map, resized bilinearly to the mask's size.
 *
 * @param map of any size
 * @param mask 1 where the object is and 0 elsewhere
 */
export function localise(map: Plane, mask: Plane): Localisation {
  const sized = resizePlane(map, mask.height, mask.width);
  return { pointing: pointing(sized, mask), energy: energy(sized, mask), share: shareOf(mask) };
}

/**
 * The pointing game of Zhang, Lin, Brandt, Shen and Sclaroff (ECCV 2016, arXiv 1608.00507): does the
 * largest value lie on the object? Where it is attained several times, the share of those places that
 * lie on it: what a player who picks one of them at random can expect.
 *
 * The paper counts a point within 15 pixels of the object as a hit; here it has to lie on it.
 *
 * @throws RequestError unless both have the same size
 */
export function pointing(map: Plane, mask: Plane): number {
  requireOneSize(map, mask);
  const [, most] = rangeOf(map);
  let [largest, hits] = [0, 0];
  for (let at = 0; at < mask.data.length; at++) {
    if (map.data[at] !== most) continue;
    largest += 1;
    hits += mask.data[at] ?? 0;
  }
  return hits / largest;
}

/**
 * The energy-based pointing game of Wang et al. (Score-CAM, CVPR Workshops 2020, arXiv 1910.01279): the
 * map's sum on the object over its sum. It is meant for maps that are not negative; negative values
 * count as 0, as Grad-CAM's own do. Of a map without any positive value, the mask's share.
 *
 * A gate is scored as it is. One that lies between 0.4 and 0.6 everywhere scores near the share
 * however well it is shaped, because it lets nearly as much pass elsewhere as on the object.
 *
 * @throws RequestError unless both have the same size
 */
export function energy(map: Plane, mask: Plane): number {
  requireOneSize(map, mask);
  let [total, inside] = [0, 0];
  for (let at = 0; at < mask.data.length; at++) {
    const value = Math.max(0, map.data[at] ?? 0);
    total += value;
    inside += value * (mask.data[at] ?? 0);
  }
  return total > 0 ? inside / total : shareOf(mask);
}

/** Share of the image that a mask covers. */
export function shareOf({ data }: Plane): number {
  let covered = 0;
  for (let at = 0; at < data.length; at++) covered += data[at] ?? 0;
  return covered / data.length;
}

function requireOneSize(map: Plane, mask: Plane): void {
  if (map.height === mask.height && map.width === mask.width) return;
  throw new RequestError(
    `A map of ${map.height}x${map.width} cannot be compared with a mask of ${mask.height}x${mask.width}: resize it first, as localise does.`,
  );
}
