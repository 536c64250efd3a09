/** An op of one's own: softsign, y = x / (1 + |x|), and a gate over channels that is made with it. */
import { adamw, classification, constantRate, createModel, defineMechanism } from 'fovea';
import { defineOp, Linear, Module, ndarray, type Tensor } from 'fovea';
import { fit, loadData } from 'fovea/node';

export const softsign = defineOp('softsign', {
  inputs: ['x'],
  shape: ({ x }) => x.shape,
  // dy/dx = 1 / (1 + |x|)^2
  gradient: ({ x }, { upstream }) => ({ x: upstream.div(x.abs().add(1).square()) }),
  lower: ({ x }, { emit }) => emit.node('Softsign', [x]),
  reference: ({ x }) =>
    ndarray(
      x.shape,
      x.data.map((v) => v / (1 + Math.abs(v))),
    ),
});

class SoftsignGate extends Module {
  readonly linear: Linear;

  constructor(channels: number) {
    super();
    this.linear = new Linear(channels, channels);
  }

  override forward(x: Tensor): Tensor {
    const gate = softsign({ x: this.linear.forward(x.mean([2, 3])) }) // [B, C], from -1 to 1
      .add(1)
      .div(2);
    return x.mul(this.expose.channel(gate).reshape([x.dim(0), x.dim(1), 1, 1]));
  }
}

export const softsignGate = defineMechanism({
  id: 'softsign-gate',
  title: 'Gate by softsign',
  domain: 'channel',
  options: {},
  create: (channels) => new SoftsignGate(channels),
});

if (process.argv[1] === import.meta.filename) {
  const model = createModel('resnet20', { width: 4, attention: softsignGate, seed: 1 });
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
