/** Networks: what document 000's ResNet and its parts are here. */
import { z } from 'zod';
import { BasicBlock } from '../models/blocks.js';
import { createModel } from '../models/registry.js';
import { Sequential } from '../nn/layers/container.js';
import { Conv2d } from '../nn/layers/conv.js';
import { ReLU } from '../nn/layers/activation.js';
import { BatchNorm2d } from '../nn/layers/normalization.js';
import { nameMaps } from '../weights/names.js';
import { count, counterpart } from './counterpart.js';
import type { ParityTable } from './entry.js';

export const networks: ParityTable = {
  /** 000: `Conv1`. It takes a stride and ignores it. */
  'resnet.stem': counterpart(
    z.strictObject({ in_planes: count, places: count, stride: z.int().optional() }),
    ({ in_planes, places }) => ({
      module: new Sequential(
        new Conv2d(in_planes, places, 3, { padding: 1, bias: false }),
        new BatchNorm2d(places),
        new ReLU(),
      ),
    }),
  ),

  /** 000: `BasicBlock`. */
  'resnet.basic_block': counterpart(
    z.strictObject({ in_planes: count, planes: count, stride: count.default(1) }),
    ({ in_planes, planes, stride }) => ({
      module: new BasicBlock(in_planes, planes, stride, {
        shortcut: 'projection',
        placement: 'after-addition',
        attention: undefined,
      }),
    }),
  ),

  /** 000: `ResNet18`. The document's width is 64; `base` is of the cases, which make it narrower. */
  'resnet.resnet18': counterpart(
    z.strictObject({ num_classes: count.default(10), base: count.default(64) }),
    ({ num_classes, base }) => ({
      module: createModel('resnet18', { width: base, classes: num_classes }),
      names: nameMaps['seed-000-resnet'],
    }),
  ),
};
