/**
 * What the classes and functions that a PyTorch pickle names mean here: the builders of tensors, and
 * plain containers. Everything else (optimisers, command-line arguments, whole modules) becomes an
 * {@link Opaque} that remembers its class and its items and nothing more: no foreign code is ever run.
 *
 * Source: torch/_utils.py, torch/_tensor.py and torch/serialization.py of PyTorch 0.1 to 2.9.
 */
import { FileError } from '../../errors.js';
import { findNumpyClass, NumpyArray } from '../pickle/pickle-numpy.js';
import {
  Opaque,
  PickleGlobal,
  PickleObject,
  pickleText,
  type PickleDict,
  type PickleValue,
} from '../pickle/pickle-values.js';
import type { SafetensorsDtype } from '../dtypes.js';
import {
  fromNumpy,
  isCount,
  MAX_RANK,
  TORCH_DTYPES,
  TorchStorage,
  TorchTensor,
  UnreadTensor,
} from './torch-storage.js';
import { numberToBfloat16 } from '../half.js';

type Arguments = readonly PickleValue[];

/**
 * An object that holds a tensor and is one in Python: a Parameter or Variable of PyTorch before 0.4,
 * which gets its tensor as the first part of its state, or a tensor of before 0.1.10.
 */
class TensorHolder extends PickleObject {
  tensor: TorchTensor | UnreadTensor | undefined;

  override setState(state: PickleValue): void {
    if (!Array.isArray(state)) return;
    if (state[0] instanceof TorchStorage) this.tensor = rebuildTensor(state);
    else this.tensor = tensorOf(state[0] ?? null) ?? this.tensor;
  }
}

/** Whether a value is a tensor in Python, or a storage or array that can be one. */
export function isTensor(value: PickleValue): boolean {
  return (
    value instanceof TorchTensor ||
    value instanceof UnreadTensor ||
    value instanceof TorchStorage ||
    (value instanceof NumpyArray && /[biufc]\d+$/.test(value.dtype)) ||
    value instanceof TensorHolder
  );
}

const fromArrays = new WeakMap<NumpyArray, TorchTensor | UnreadTensor>();

/** The tensor that a value is in Python; undefined if it is none. */
export function tensorOf(value: PickleValue): TorchTensor | UnreadTensor | undefined {
  if (value instanceof TorchTensor || value instanceof UnreadTensor) return value;
  if (!isTensor(value)) return undefined;
  // A storage by itself is a list of its elements.
  if (value instanceof TorchStorage) return rebuildTensor([value, 0, [value.count], [1]]);
  if (value instanceof NumpyArray) {
    const known = fromArrays.get(value) ?? fromNumpy(value);
    fromArrays.set(value, known);
    return known;
  }
  if (!(value instanceof TensorHolder)) return undefined;
  return value.tensor ?? new UnreadTensor('it is a Parameter without a tensor');
}

/** (storage, offset, size, stride), and more behind that matters only where it changes values. */
function rebuildTensor(args: Arguments): TorchTensor | UnreadTensor {
  const [storage, , , , , , metadata] = args;
  if (storage instanceof TorchStorage && storage.kind?.dtype === undefined) {
    return new UnreadTensor(`its elements, of a ${storage.type}, are of a type that is not read`);
  }
  const dtype = storage instanceof TorchStorage ? storage.kind?.dtype : undefined;
  return lazilyChanged(metadata) ?? view(args, dtype);
}

/** (storage, offset, size, stride, gradient, hooks, dtype, metadata): the storage has no type. */
function rebuildTypedTensor(args: Arguments): TorchTensor | UnreadTensor {
  const [storage, , , , , , type, metadata] = args;
  const name = dtypeName(type);
  const dtype = Object.hasOwn(TORCH_DTYPES, name) ? TORCH_DTYPES[name] : undefined;
  if (dtype === undefined) return new UnreadTensor(`its type, ${name}, is not read`);
  if (storage instanceof TorchStorage && !storage.isUntyped && storage.kind?.dtype !== dtype) {
    return new UnreadTensor(`it is ${name} in a ${storage.type}`);
  }
  return lazilyChanged(metadata) ?? view(args, dtype);
}

/** PyTorch can keep "negated" or "conjugated" beside the values, to be done when they are read. */
function lazilyChanged(metadata: PickleValue | undefined): UnreadTensor | undefined {
  if (!(metadata instanceof Map)) return undefined;
  const change = ['conj', 'neg'].find((key) => metadata.get(key) === true);
  if (change === undefined) return undefined;
  return new UnreadTensor(`it is kept with a ${change} bit: save it after resolve_${change}()`);
}

function view(
  [storage, offset, size, stride]: Arguments,
  dtype: SafetensorsDtype | undefined,
): TorchTensor {
  const fits =
    storage instanceof TorchStorage &&
    dtype !== undefined &&
    isCount(offset) &&
    Array.isArray(size) &&
    Array.isArray(stride) &&
    size.length === stride.length &&
    size.length <= MAX_RANK &&
    [...size, ...stride].every(isCount);
  if (!fits) throw new FileError('A tensor is not described as PyTorch describes it');
  return new TorchTensor(storage, dtype, offset, size.map(Number), stride.map(Number));
}

/** `torch.float32` as a PyTorch file names it: a global, or a call of `torch.serialization`. */
function dtypeName(type: PickleValue | undefined): string {
  return type instanceof PickleGlobal ? type.name.replace(/^torch\./, '') : 'unknown';
}

/** A parameter is its tensor; so is a copy of one from another device. */
function sameTensor([value = null]: Arguments): PickleValue {
  return tensorOf(value) ?? new TensorHolder();
}

/** A tensor of XLA and other devices: an array of NumPy, or a tensor, and the type that it had there. */
function fromDevice([data = null, type]: Arguments): PickleValue {
  const tensor = tensorOf(data);
  const name = dtypeName(type);
  const dtype = Object.hasOwn(TORCH_DTYPES, name) ? TORCH_DTYPES[name] : undefined;
  if (!(tensor instanceof TorchTensor) || dtype === tensor.dtype) return tensor ?? new Opaque('?');
  // NumPy has no bfloat16: such tensors are handed over as float32.
  if (tensor.dtype === 'F32' && dtype === 'BF16') return asBfloat16(tensor);
  return new UnreadTensor(`it is kept as ${tensor.dtype} but was ${name}`);
}

/** The same tensor with its elements rounded to bfloat16, as PyTorch would round them. */
function asBfloat16({ storage, offset, shape, strides }: TorchTensor): TorchTensor {
  const narrow = new TorchStorage(storage.key, 'BFloat16Storage', storage.count, () => {
    const wide = new Float32Array((storage.bytes ?? new Uint8Array(0)).slice().buffer);
    return new Uint8Array(Uint16Array.from(wide, numberToBfloat16).buffer);
  });
  return new TorchTensor(narrow, 'BF16', offset, shape, strides);
}

/** (function, class, its arguments, state): a subclass of Tensor around an ordinary one. */
function fromType([build, type, args]: Arguments): PickleValue {
  const built = build instanceof PickleGlobal && Array.isArray(args) ? build.construct(args) : null;
  const name = type instanceof PickleGlobal ? type.name : 'a class of its own';
  return tensorOf(built) ?? new UnreadTensor(`it is a ${name}, which needs its own Python code`);
}

function unread(reason: string): (args: Arguments) => UnreadTensor {
  return () => new UnreadTensor(reason);
}

/** From a list of pairs, as Python 2 writes an OrderedDict, or from another dict. */
function dict(args: Arguments): PickleDict {
  const [content] = args.filter((value) => value instanceof Map || Array.isArray(value));
  if (content instanceof Map) return new Map(content);
  const made: PickleDict = new Map();
  for (const pair of Array.isArray(content) ? content : []) {
    const [key, value] = Array.isArray(pair) ? pair : [];
    if (key === undefined || value === undefined) continue;
    const name = pickleText(key) ?? key;
    if (made.has(name)) throw new FileError('A dict has a key twice');
    made.set(name, value);
  }
  return made;
}

const elements = ([content]: Arguments): PickleValue[] => {
  if (content instanceof Set) return [...content];
  return Array.isArray(content) ? content.slice() : [];
};

/** `torch.device('cuda', 0)`, as a text. */
const device = (args: Arguments): PickleValue =>
  args.map((part) => pickleText(part) ?? (typeof part === 'number' ? part : '')).join(':');

/** (class, base, state), how protocols 0 and 1 make any object. */
function reconstructed([type, base, state]: Arguments): PickleValue {
  const made = new Opaque(type instanceof PickleGlobal ? type.name : 'object');
  const name = base instanceof PickleGlobal ? base.name : '';
  if (name.endsWith('.dict') && state instanceof Map) made.items = state;
  if (name.endsWith('.list') && Array.isArray(state)) made.elements = state;
  return made;
}

const CLASSES: Readonly<Record<string, (args: Arguments) => PickleValue>> = {
  'collections.OrderedDict': dict,
  'collections.defaultdict': dict,
  'collections.Counter': dict,
  'torch.Size': elements,
  'torch.device': device,
  'copyreg._reconstructor': reconstructed,
  'copy_reg._reconstructor': reconstructed,
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_tensor_v3': rebuildTypedTensor,
  'torch._utils._rebuild_parameter': sameTensor,
  'torch._utils._rebuild_parameter_with_state': sameTensor,
  'torch._utils._rebuild_device_tensor_from_numpy': fromDevice,
  'torch._utils._rebuild_device_tensor_from_cpu_tensor': fromDevice,
  'torch._utils._rebuild_xla_tensor': fromDevice,
  'torch._utils._rebuild_mlc_tensor': fromDevice,
  'torch._utils._rebuild_ort_tensor': fromDevice,
  'torch._utils._rebuild_sparse_tensor': unread('it is sparse: save it after to_dense()'),
  'torch._utils._rebuild_sparse_csr_tensor': unread('it is sparse: save it after to_dense()'),
  'torch._utils._rebuild_qtensor': unread('it is quantised: save it after dequantize()'),
  'torch._utils._rebuild_nested_tensor': unread('it is a nested tensor: save its parts'),
  'torch._utils._rebuild_meta_tensor_no_storage': unread(
    'it is on the meta device, without values',
  ),
  'torch._tensor._rebuild_from_type': fromType,
  'torch._tensor._rebuild_from_type_v2': fromType,
  'torch.tensor._rebuild_from_type': fromType,
  'torch.tensor._rebuild_from_type_v2': fromType,
  'torch.Tensor': sameTensor,
  'torch._tensor.Tensor': sameTensor,
  'torch.tensor.Tensor': sameTensor,
  'torch.nn.parameter.Parameter': sameTensor,
  'torch.nn.parameter.Buffer': sameTensor,
  'torch.nn.Parameter': sameTensor,
  'torch.nn.Buffer': sameTensor,
  'torch.autograd.variable.Variable': sameTensor,
  'torch.autograd.Variable': sameTensor,
};

for (const module of ['builtins', '__builtin__']) {
  Object.assign(CLASSES, {
    [`${module}.dict`]: dict,
    [`${module}.list`]: elements,
    [`${module}.tuple`]: elements,
    [`${module}.set`]: (args: Arguments) => new Set(elements(args)),
    [`${module}.frozenset`]: (args: Arguments) => new Set(elements(args)),
  });
}

/** `torch.FloatTensor` and kin, which wrote themselves before PyTorch 0.1.10: (storage, offset, size, stride). */
const TYPED_TENSOR = /^torch\.(?:cuda\.)?[A-Z][A-Za-z0-9]*Tensor$/;

/** A class of another program: an object of it is opaque, or a tensor whose builder is not known. */
class ForeignClass extends PickleGlobal {
  constructor(name: string) {
    super(name, (args) => {
      const holds = args.some(isTensor);
      return holds || /^torch\b.*\._rebuild_/.test(name)
        ? new UnreadTensor(`it is built by ${name}, which needs its own Python code`)
        : new Opaque(name);
    });
  }

  override setState(): void {
    // Classes can be pickled with their attributes; nothing of them is kept.
  }
}

/** What a class name in the pickle of a PyTorch file means. */
export function findTorchClass(module: string, name: string): PickleGlobal {
  const path = `${module}.${name}`;
  if (Object.hasOwn(CLASSES, path)) return new PickleGlobal(path, CLASSES[path]);
  if (TYPED_TENSOR.test(path)) {
    return new PickleGlobal(path, (args) =>
      args[0] instanceof TorchStorage ? rebuildTensor(args) : sameTensor(args),
    );
  }
  return findNumpyClass(module, name) ?? new ForeignClass(path);
}
