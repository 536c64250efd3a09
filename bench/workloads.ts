/** What is measured, and the goals of issue 2. */

export interface Workload {
  readonly id: string;
  readonly title: string;
  readonly kind: 'train' | 'infer';
  readonly model: 'resnet18' | 'resnet20';
  readonly batch: number;
  /** Images/s of Fovea over images/s of PyTorch: at least this. */
  readonly goal: number;
}

export const WORKLOADS: readonly Workload[] = [
  {
    id: 'train-resnet18',
    title: 'ResNet-18, training step',
    kind: 'train',
    model: 'resnet18',
    batch: 32,
    goal: 0.8,
  },
  {
    id: 'train-resnet20',
    title: 'ResNet-20, training step',
    kind: 'train',
    model: 'resnet20',
    batch: 128,
    goal: 0.6,
  },
  {
    id: 'infer-resnet18-1',
    title: 'ResNet-18, inference',
    kind: 'infer',
    model: 'resnet18',
    batch: 1,
    goal: 2,
  },
  {
    id: 'infer-resnet18-32',
    title: 'ResNet-18, inference',
    kind: 'infer',
    model: 'resnet18',
    batch: 32,
    goal: 1.3,
  },
];

/** Peak memory of Fovea's process over that of PyTorch's: at most this. */
export const MEMORY_GOAL = 1.25;

/** Share of a step outside the ONNX session: under this. */
export const OVERHEAD_GOAL = 0.03;

/** The recipe of every training step here. */
export const RECIPE = { lr: 0.01, momentum: 0.9, weightDecay: 1e-4, classes: 10 } as const;
