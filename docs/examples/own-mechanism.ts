/** A mechanism of one's own: every place is weighed by how far its mean lies from the map's. */
import { adamw, classification, constantRate, Conv2d, createModel, defineMechanism } from 'fovea';
import { Module, z, type Tensor } from 'fovea';
import { fit, loadData } from 'fovea/node';

class DeviationGate extends Module {
  readonly conv: Conv2d;

  constructor(kernel: number) {
    super();
    this.conv = new Conv2d(1, 1, kernel, { padding: (kernel - 1) / 2 });
  }

  override forward(x: Tensor): Tensor {
    const mean = x.mean(1, { keepDims: true }); // [B, 1, H, W]
    const deviation = mean.sub(mean.mean([2, 3], { keepDims: true }));
    return x.mul(this.expose.spatial(this.conv.forward(deviation).sigmoid()));
  }
}

export const deviationGate = defineMechanism({
  id: 'deviation-gate',
  title: 'Gate by the deviation of the mean',
  domain: 'spatial',
  options: { kernel: z.literal([1, 3, 5]).default(3).describe('Size of the convolution.') },
  create: (_channels, { kernel }) => new DeviationGate(kernel),
});

if (process.argv[1] === import.meta.filename) {
  const attention = deviationGate.with({ kernel: 5 });
  const model = createModel('resnet20', { width: 4, attention, seed: 1 });
  const data = await loadData({ id: 'shapes', limitTrain: 1000, limitVal: 200 });
  const { metrics } = await fit(model, data, {
    task: classification(),
    epochs: Number(process.argv[2] ?? 6),
    batchSize: 32,
    optimizer: adamw(),
    schedule: constantRate(0.003),
    seed: 1,
  });
  console.log(metrics.at(-1));
}
