import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime } from '../runtime/node/create.js';
import type { Runtime } from '../runtime/runtime.js';
import { compareGoldenLoop, GOLDEN_LOOP } from './golden-loop.js';
import { readSafetensors, writeSafetensors, type StoredTensor } from '../formats/safetensors.js';
import { GOLDEN_TOLERANCE } from './golden.js';
import { parityTable } from './table.js';
import { toleranceOn, verifyCase } from './verify.js';

const bytesOf = (name: string): Uint8Array =>
  readFileSync(new URL(`../../tests/fixtures/golden/${name}.safetensors`, import.meta.url));

const { tensors, metadata } = readSafetensors(bytesOf('msf'));

/** The case of MSF with other tensors or metadata. */
function changed(
  change: (tensors: Map<string, StoredTensor>, metadata: Record<string, string>) => void,
): Uint8Array {
  const [own, texts] = [new Map(tensors), { ...metadata }];
  change(own, texts);
  return writeSafetensors(own, texts);
}

/** A case without the inputs whose names begin so. */
function withoutInputs(name: string, prefix = 'input.'): Uint8Array {
  const { tensors: all, metadata: texts } = readSafetensors(bytesOf(name));
  return writeSafetensors(new Map([...all].filter(([one]) => !one.startsWith(prefix))), texts);
}

/** A tensor of the case, its first value moved. */
function moved(own: Map<string, StoredTensor>, name: string, by: number): void {
  const tensor = own.get(name);
  if (tensor?.dtype !== 'F32') throw new Error(`no ${name} in the case`);
  own.set(name, { ...tensor, data: tensor.data.map((v, i) => (i === 0 ? v + by : v)) });
}

/** A case with all cotangents, and so all gradients, multiplied. */
function scaled(
  name: string,
  by: number,
  change: (own: Map<string, StoredTensor>, texts: Record<string, string>) => void = () => undefined,
) {
  const { tensors: own, metadata: texts } = readSafetensors(bytesOf(name));
  for (const [key, tensor] of own) {
    if (!/^(cotangent|grad)\./.test(key) || tensor.dtype !== 'F32') continue;
    own.set(key, { ...tensor, data: tensor.data.map((v) => v * by) });
  }
  change(own, texts);
  return writeSafetensors(own, texts);
}

/** The largest element of all gradients of a case. */
function largestGradient(own: ReadonlyMap<string, StoredTensor>): number {
  return Math.max(
    ...[...own]
      .filter(([name]) => name.startsWith('grad.'))
      .flatMap(([, { data }]) => Array.from(data, Number).map(Math.abs)),
  );
}

describe('verifyCase', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime('cpu', { worker: false });
  });
  afterAll(() => runtime.close());
  const verify = (bytes: Uint8Array) =>
    verifyCase('case.safetensors', () => Promise.resolve(bytes), runtime);

  it('passes a case as PyTorch computed it, and tells the largest error of each kind', async () => {
    const { error, ...rest } = await verify(bytesOf('msf'));
    expect(rest).toEqual({ file: 'case.safetensors', module: 'msf', status: 'pass', message: '' });
    for (const kind of ['eval', 'attn', 'train', 'state', 'grad'] as const) {
      expect(error[kind]).toBeGreaterThanOrEqual(0);
      expect(error[kind]).toBeLessThanOrEqual(GOLDEN_TOLERANCE[kind]);
    }
  });

  it('has no error for a kind that the case does not hold', async () => {
    const { status, error } = await verify(bytesOf('msf.one_conv'));
    expect(status).toBe('pass');
    expect(error.attn).toBeNull();
    expect(error.state).toBeNull();
  });

  it.each([
    ['eval.output.0', 'eval'],
    ['eval.attn.scale_weights', 'attn'],
    ['train.output.0', 'train'],
    ['train.state.project.1.running_var', 'state'],
    ['grad.param.SE1.conv.0.weight', 'grad'],
  ] as const)('fails a case in which one number of %s was changed', async (name, kind) => {
    const { status, error, message } = await verify(changed((own) => moved(own, name, 0.1)));
    expect(status).toBe('fail');
    expect(error[kind]).toBeGreaterThan(1e-3);
    expect(message).toMatch(new RegExp(`^${name.replaceAll('.', '\\.')} is off by .*, tolerance`));
  });

  it('fails a case in which an output has another shape of as many elements', async () => {
    const { status, error, message } = await verify(
      changed((own) => {
        const tensor = own.get('eval.output.0');
        if (tensor === undefined) throw new Error('no output in the case');
        own.set('eval.output.0', { ...tensor, shape: [...tensor.shape].reverse() });
      }),
    );
    expect(status).toBe('fail');
    expect(error.eval).toBe(Infinity);
    expect(message).toBe('eval.output.0 is of another shape, or not finite');
  });

  it('passes a case whose inner map lacks axes of size 1', async () => {
    const squeezed = changed((own) => {
      const tensor = own.get('eval.attn.scale_weights');
      if (tensor?.shape.at(-1) !== 1) throw new Error('no axis of size 1 in the case');
      own.set('eval.attn.scale_weights', { ...tensor, shape: tensor.shape.slice(0, -1) });
    });
    expect((await verify(squeezed)).status).toBe('pass');
  });

  it.each([
    'nonlocal.dot_product.1d.one_channel',
    'nonlocal.gaussian.1d.one_channel',
    'nonlocal.embedded_gaussian.2d.sub_bn',
    'nonlocal.embedded_gaussian.3d.sub_bn',
  ])('passes %s, whose gradients are left over from large ones that cancel', async (name) => {
    const { status, message } = await verify(bytesOf(name));
    expect(status).toBe('pass');
    expect(message).toMatch(/^(float32 itself is uncertain by .* in grad\..*)?$/);
  });

  describe.each([
    ['sagan', 'grad.param.key_conv.bias'],
    ['sk.c', 'grad.param.convs.0.0.bias'],
  ])('a gradient that is zero on paper, in %s', (name, zero) => {
    it.each([1e-6, 1, 1e6])('passes with its rounding, beside gradients times %d', async (by) => {
      expect(await verify(scaled(name, by))).toMatchObject({ status: 'pass', message: '' });
    });

    it.each([1e-6, 1, 1e6])('fails where it is not, beside gradients times %d', async (by) => {
      const { status, message } = await verify(
        scaled(name, by, (own) => moved(own, zero, 1e-5 * largestGradient(own))),
      );
      expect(status).toBe('fail');
      expect(message).toMatch(new RegExp(`^${zero.replaceAll('.', '\\.')} is off by`));
    });

    it('needs not be named to pass', async () => {
      const unnamed = scaled(name, 1, (_, texts) => (texts['near_zero_grads'] = '[]'));
      expect((await verify(unnamed)).status).toBe('pass');
    });
  });

  describe('batch normalisation over two values, of which float32 knows little', () => {
    const file = 'mfe.aspp_conv.two_values';

    it('passes, and it is said', async () => {
      const { status, error, message } = await verify(bytesOf(file));
      expect(status).toBe('pass');
      expect(message).toMatch(/^float32 itself is uncertain by \d.\de-\d in grad\./);
      expect(error.grad).toBeLessThanOrEqual(GOLDEN_TOLERANCE.grad);
    });

    it('still fails what rounding does not explain', async () => {
      const own = readSafetensors(bytesOf(file));
      const gradient = own.tensors.get('grad.input.0');
      if (gradient?.dtype !== 'F32') throw new Error('no gradient');
      const data = gradient.data.map((v) => 1.5 * v);
      own.tensors.set('grad.input.0', { ...gradient, data });
      const { status, message } = await verify(writeSafetensors(own.tensors, own.metadata));
      expect(status).toBe('fail');
      expect(message).toMatch(/grad\.input\.0 is off by/);
    });
  });

  it('fails a case with a changed parameter in everything that depends on it', async () => {
    const { status, error } = await verify(
      changed((own) => moved(own, 'param.project.0.weight', 0.5)),
    );
    expect(status).toBe('fail');
    expect(error.attn).toBeLessThan(GOLDEN_TOLERANCE.attn);
    expect(Math.min(...[error.eval, error.train, error.grad].map(Number))).toBeGreaterThan(1e-3);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['a truncated file', bytesOf('msf').subarray(0, 2000), /case\.safetensors.*truncated/],
    ['another kind of file', new TextEncoder().encode('# a readme\n'), /safetensors/],
    ['an empty file', new Uint8Array(), /case\.safetensors/],
    ['no metadata', writeSafetensors(tensors), /no 'module'/],
    [
      'a config that is no object',
      changed((_, texts) => (texts['config'] = '[3]')),
      /'config' must be an object.*not \[3\]/,
    ],
    [
      'a config that is no JSON',
      changed((_, texts) => (texts['config'] = '{in_channels: 3}')),
      /'config' must be an object.*in JSON, not \{in_channels/,
    ],
    [
      'an unknown module',
      changed((_, texts) => (texts['module'] = 'msff')),
      /Unknown module 'msff'. Did you mean 'msf'/,
    ],
    [
      "an argument that the document's class does not have",
      changed((_, texts) => (texts['config'] = '{"in_channels": 3, "maps": 4}')),
      /"maps"/,
    ],
    [
      'weights of another size',
      changed((_, texts) => (texts['config'] = '{"in_channels": 5}')),
      /weights do not fit the model:[^]*is \[3, 3, 1, 1\], expected \[5, 5, 1, 1\]/,
    ],
    [
      'a missing parameter',
      changed((own) => own.delete('param.SE2.conv.0.weight')),
      /missing \(1\): selection\.describe\.1\.weight/,
    ],
    ['a missing input', changed((own) => own.delete('input.3')), /Expected 4 maps/],
    [
      'no input at all',
      withoutInputs('cbam.plain.spatial'),
      /^The case has no inputs \(input\.0, input\.1, \.\.\) for its module\.$/,
    ],
    [
      'one input of two',
      withoutInputs('fusion.gated.seq', 'input.1'),
      /^The case has 1 of the two inputs that it takes\.$/,
    ],
    [
      'a tensor without numbers',
      changed((own) =>
        own.set('input.0', { dtype: 'F4', shape: [2, 3], data: Uint8Array.of(1, 2, 3) }),
      ),
      /'input\.0' is of the type F4, with which nothing computes/,
    ],
    [
      'an inner map that the module does not have',
      changed((own) =>
        own.set('eval.attn.mask', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }),
      ),
      /Nothing to compare with in the case: eval\.attn\.mask/,
    ],
    [
      'nothing to compare',
      changed((own) => {
        for (const name of own.keys()) if (/^(eval|train|grad)\./.test(name)) own.delete(name);
      }),
      /nothing to compare/,
    ],
  ])('explains %s', async (_, bytes, message) => {
    const result = await verify(bytes);
    expect(result.status).toBe('error');
    expect(result.message).toMatch(message);
    expect(Object.values(result.error)).toEqual([null, null, null, null, null]);
  });

  it("runs the document's epoch, and finds a changed loss in it", async () => {
    const others = { [GOLDEN_LOOP]: compareGoldenLoop };
    const bytes = bytesOf('train_loop');
    const run = (given: Uint8Array) =>
      verifyCase('loop', () => Promise.resolve(given), runtime, others);
    const { status, error } = await run(bytes);
    expect(status).toBe('pass');
    expect([error.attn, error.grad]).toEqual([null, null]);

    const loop = readSafetensors(bytes);
    moved(loop.tensors, 'losses.val', 0.01);
    const wrong = await run(writeSafetensors(loop.tensors, loop.metadata));
    expect(wrong.message).toMatch(/^losses\.val is off by/);
  });
});

describe('the table of counterparts', () => {
  it('has the modules that every domain promises, and nothing twice', () => {
    const ids = ['se.conv', 'nonlocal.gaussian.3d', 'cbam.joint', 'danet.head', 'osra'];
    expect(Object.keys(parityTable)).toEqual(
      expect.arrayContaining([...ids, 'vit.simple_vit', 'loss.info_nce', 'resnet.resnet18']),
    );
  });

  it('gives other devices than the CPU 1e-4', () => {
    expect(toleranceOn('cpu')).toBe(GOLDEN_TOLERANCE);
    expect(new Set(Object.values(toleranceOn('webgpu')))).toEqual(new Set([1e-4]));
  });
});
