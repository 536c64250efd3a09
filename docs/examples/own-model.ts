/** A model of one's own: three convolutions with a slot for attention, a mean and a classifier. */
import { adamw, attention, BatchNorm2d, classification, constantRate, Conv2d } from 'fovea';
import { defineModel, Identity, Linear, Module } from 'fovea';
import { type Layer, type ModelOptions, type Tensor } from 'fovea';
import { fit, loadData } from 'fovea/node';

class SmallNet extends Module {
  readonly conv1: Conv2d;
  readonly conv2: Conv2d;
  readonly conv3: Conv2d;
  readonly norm: BatchNorm2d;
  readonly attention: Layer;
  readonly linear: Linear;

  constructor({ classes = 10, channels = 3, width = 16, ...options }: ModelOptions) {
    super();
    const [height, imageWidth] = options.imageSize ?? [32, 32];
    const slot = attention.slot(options.attention ?? 'none');
    this.conv1 = new Conv2d(channels, width, 3, { padding: 1 });
    this.conv2 = new Conv2d(width, 2 * width, 3, { stride: 2, padding: 1 });
    this.conv3 = new Conv2d(2 * width, 2 * width, 3, { padding: 1 });
    this.norm = new BatchNorm2d(2 * width);
    this.attention =
      slot?.createLayer(2 * width, Math.ceil(height / 2), Math.ceil(imageWidth / 2)) ??
      new Identity();
    this.linear = new Linear(2 * width, classes);
  }

  override forward(x: Tensor): Tensor {
    const map = this.conv2.forward(this.conv1.forward(x).relu()).relu(); // [B, 2 width, H/2, W/2]
    const attended = this.attention.forward(this.norm.forward(this.conv3.forward(map)));
    return this.linear.forward(attended.relu().mean([2, 3])); // [B, classes]
  }
}

export const smallNet = defineModel({
  id: 'small-net',
  title: 'Three convolutions',
  takesAttention: true,
  create: (options: ModelOptions) => new SmallNet(options),
});

if (process.argv[1] === import.meta.filename) {
  const model = smallNet.create({ attention: 'se:ratio=4', seed: 1 });
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
