/** What `fovea explain` leaves: index.json beside its pictures. */
import { z } from 'zod';

const name = { module: z.string(), name: z.string() };
const fraction = z.number().min(0).max(1);
/** The name of a file that lies beside index.json, and leads nowhere else. */
const file = z
  .string()
  .regex(
    /^(?!\.{1,2}$)[^/\\\p{Cc}]+$/u,
    "expected the plain name of a file in the explanation's folder",
  );
const kind = z.enum(['spatial', 'attention-row', 'grad-cam']);

export const explanationSchema = z.object({
  /** The images that were looked at, in order. Files lie beside index.json. */
  images: z.array(
    z.object({
      /** The whole image (PNG), at its own size unless that is tiny or huge. */
      file,
      /** Which image it is: `shapes 17`, or the name of a file. */
      label: z.string(),
      /** Its class; empty where that is not known. */
      class: z.string(),
      /** The most probable class; empty of a model that tells no classes of images. */
      predicted: z.string(),
      /** Its probability, where there is one. */
      probability: z.number().optional(),
    }),
  ),
  maps: z.array(
    z.object({
      /** Place in `images`. */
      image: z.int(),
      ...name,
      kind,
      /** The place that looks, [row, column], as fractions of the image from its upper left corner. */
      query: z.tuple([fraction, fraction]).optional(),
      /** The map over the image in grey (PNG). */
      file,
      /** The map's own smallest and largest value: the ends of the colour scale. */
      scale: z.tuple([z.number(), z.number()]),
    }),
  ),
  /** Of a network that tells the classes of pixels: what it says, and what is true where that is known. */
  masks: z
    .array(
      z.object({
        /** Place in `images`. */
        image: z.int(),
        kind: z.enum(['true', 'predicted']),
        /** The mask in the colours of its classes (PNG). */
        file,
      }),
    )
    .optional(),
  /** Names of the classes in these masks, by number. */
  mask_classes: z.array(z.string()).optional(),
  gates: z.array(
    z.object({
      ...name,
      /** Mean over the images, of each channel. */
      values: z.array(z.number()),
      /** Standard deviation over the images (divisor n), of each channel. */
      spread: z.array(z.number()),
      /** The same as bars (SVG). */
      file: file.optional(),
    }),
  ),
  /** Only for data sets whose object masks are known. Every figure is a mean over so many images. */
  localisation: z
    .array(
      z.object({
        ...name,
        /** An 'attention-row' here is the mean of all rows: how much each place is looked at. */
        kind,
        images: z.int(),
        /** The pointing game: does the map's largest value lie on the object? */
        pointing: fraction,
        /** Share of the map's sum that lies on the object. */
        energy: fraction,
        /** Share of the image that the object covers: what an even map scores in both. */
        share: fraction,
      }),
    )
    .optional(),
  /** What went wrong with some of the images, in sentences. */
  problems: z.array(z.string()).optional(),
});

/** What was seen in a run's network. */
export type Explanation = z.infer<typeof explanationSchema>;

/** The scores of one map of a network. */
export type LocalisationScore = NonNullable<Explanation['localisation']>[number];
