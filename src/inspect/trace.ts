/** What a module does to its inputs, step by step, read off the graph that its forward pass builds. */
import { record } from '../nn/context.js';
import { ModuleList } from '../nn/layers/container.js';
import type { Module } from '../nn/module.js';
import { forwardOf } from '../nn/outputs.js';
import { sliceOp } from '../ops/indexing.js';
import { constantOp, input, inputOp } from '../ops/leaf.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { topologicalOrder } from '../tensor/walk.js';

/** A module's forward pass on inputs of given shapes, in eval. */
export interface Trace {
  readonly module: Module;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Gates and maps, by the names that they are exposed under. */
  readonly exposed: ReadonlyMap<string, Tensor>;
}

/** One step of a forward pass: a call of a part, or operations of the module's own. */
export interface TraceStep {
  /** Counted from 1. */
  readonly number: number;
  /** Path of the part that was called, such as `reduce`; absent for operations. */
  readonly part?: string;
  /** The operations in their order (`mean over axes 2, 3`), or the part's class. */
  readonly what: readonly string[];
  /** Numbers of the steps, and names of the inputs and parameters, that it works on. */
  readonly from: readonly (number | string)[];
  readonly shape: Shape;
  /** The name that its result is exposed under. */
  readonly exposes?: string;
}

const INPUT_NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** Runs a module's forward pass without values. Inputs are called x, or a, b, c, .. if there are several. */
export function traceForward(module: Module, shapes: readonly Shape[]): Trace {
  module.assignPaths();
  const names = shapes.length === 1 ? ['x'] : INPUT_NAMES;
  const inputs = shapes.map((shape, i) => input(names[i] ?? `input ${i}`, shape));
  const { output, record: left } = record(false, () => forwardOf(module, inputs));
  return { module, inputs, outputs: [...output.values()], exposed: left.exposed };
}

/** Some nodes of the graph that are shown as one. */
interface Unit {
  /** Path of the part; null for operations of the module's own. */
  readonly part: string | null;
  readonly nodes: Tensor[];
}

/**
 * The steps of a traced forward pass.
 * @param path of the part to look into, such as `transformer.layers.0`; by default the module itself
 */
export function traceSteps(trace: Trace, path = ''): TraceStep[] {
  const nodes = topologicalOrder(trace.outputs).filter(
    (node) => !isLeaf(node) && isInside(node.scope, path),
  );
  const parts = calledParts(trace.module, path);
  const exposedAs = new Map([...trace.exposed].map(([name, tensor]) => [tensor, name]));
  const units = mergeChains(splitIntoUnits(nodes, parts, path), exposedAs);
  const unitOf = new Map(units.flatMap((unit) => unit.nodes.map((node) => [node, unit])));
  const numberOf = new Map(units.map((unit, i) => [unit, i + 1]));
  const nameOf = leafNames(trace);
  const outside = [...new Set(nodes.flatMap(({ inputs }) => inputs))].filter(
    (source) => !unitOf.has(source) && !nameOf.has(source) && !isConstant(source),
  );
  const outsideName = (source: Tensor) =>
    outside.length === 1 ? 'x' : `x${outside.indexOf(source) + 1}`;

  return units.map((unit, i) => {
    const own = new Set(unit.nodes);
    const last = unit.nodes.at(-1);
    const sources = unit.nodes
      .flatMap(({ inputs }) => inputs)
      .filter((source) => !own.has(source) && !isConstant(source));
    const from = sources.flatMap((source): (number | string)[] => {
      const before = unitOf.get(source);
      if (before !== undefined) return [numberOf.get(before) ?? 0];
      const name = nameOf.get(source);
      // A part's own parameters go without saying.
      const isOwn = unit.part !== null && !trace.inputs.includes(source);
      if (name !== undefined) return isOwn ? [] : [name];
      return [outsideName(source)];
    });
    const exposes = last && exposedAs.get(last);
    return {
      number: i + 1,
      ...(unit.part !== null && { part: relative(unit.part, path) }),
      what: unit.part === null ? unit.nodes.map(describe) : [classOf(trace.module, unit.part)],
      from: [...new Set(from)],
      shape: last?.shape ?? [],
      ...(exposes !== undefined && { exposes }),
    };
  });
}

const isConstant = (node: Tensor) => constantOp.read(node) !== undefined;
const isLeaf = (node: Tensor) => isConstant(node) || inputOp.read(node) !== undefined;

function isInside(scope: string, path: string): boolean {
  return path === '' || scope === path || scope.startsWith(`${path}.`);
}

function relative(path: string, base: string): string {
  return base === '' ? path : path.slice(base.length + 1);
}

/** Parts that the module at a path calls itself: its children, and those in its lists. */
function calledParts(root: Module, path: string): string[] {
  const modules = new Map(root.namedModules());
  const below = (parent: string): string[] =>
    [...(modules.get(parent)?.children() ?? [])].flatMap(([name, child]) => {
      const own = parent === '' ? name : `${parent}.${name}`;
      return child instanceof ModuleList ? below(own) : [own];
    });
  return below(path);
}

/** Each operation of the module's own is a unit, and each call of a part. */
function splitIntoUnits(nodes: readonly Tensor[], parts: readonly string[], path: string): Unit[] {
  const units = new Map<Tensor, Unit>();
  for (const node of nodes) {
    const part =
      node.scope === path ? null : (parts.find((one) => isInside(node.scope, one)) ?? null);
    // Two calls of one part share nothing but its parameters, which are no nodes here.
    const same = node.inputs.flatMap((source) => {
      const unit = part === null ? undefined : units.get(source);
      return unit?.part === part ? [unit] : [];
    });
    const unit: Unit = same[0] ?? { part, nodes: [] };
    for (const other of new Set(same.slice(1))) {
      if (other === unit) continue;
      unit.nodes.push(...other.nodes);
      for (const moved of other.nodes) units.set(moved, unit);
    }
    unit.nodes.push(node);
    units.set(node, unit);
  }
  const lastId = (unit: Unit) => unit.nodes.at(-1)?.id ?? 0;
  return [...new Set(units.values())].sort((a, b) => lastId(a) - lastId(b));
}

/** Joins operations that follow each other and that nothing else looks at. */
function mergeChains(units: readonly Unit[], exposed: ReadonlyMap<Tensor, string>): Unit[] {
  const consumers = new Map<Tensor, Set<Unit>>();
  for (const unit of units) {
    for (const source of unit.nodes.flatMap(({ inputs }) => inputs)) {
      consumers.set(source, (consumers.get(source) ?? new Set()).add(unit));
    }
  }
  const merged: Unit[] = [];
  for (const unit of units) {
    const sources = unit.nodes[0]?.inputs.filter((source) => !isConstant(source)) ?? [];
    const [source] = sources;
    const before = merged.find(({ part, nodes }) => part === null && nodes.at(-1) === source);
    const alone = source && sources.length === 1 && consumers.get(source)?.size === 1;
    if (unit.part === null && before && alone && !exposed.has(source)) {
      before.nodes.push(...unit.nodes);
    } else {
      merged.push({ part: unit.part, nodes: [...unit.nodes] });
    }
  }
  const lastId = (unit: Unit) => unit.nodes.at(-1)?.id ?? 0;
  return merged.sort((a, b) => lastId(a) - lastId(b));
}

/** What the leaves of the graph are called. */
function leafNames({ module, inputs }: Trace): Map<Tensor, string> {
  const names = new Map<Tensor, string>();
  for (const tensor of inputs) {
    const read = inputOp.read(tensor);
    if (read !== undefined) names.set(tensor, read.attributes.name);
  }
  for (const [name, { tensor }] of [...module.namedParameters(), ...module.namedBuffers()]) {
    names.set(tensor, name);
  }
  return names;
}

/** The class of a part; of a Sequential the classes in it. */
function classOf(root: Module, path: string): string {
  const module = new Map(root.namedModules()).get(path);
  if (module === undefined) return path;
  const layers = [...module.children()].map(([, child]) => child.constructor.name);
  return module.constructor.name === 'Sequential' ? layers.join(', ') : module.constructor.name;
}

/** An operation in words. */
function describe(node: Tensor): string {
  const { name } = node.op;
  const slice = sliceOp.read(node);
  if (slice !== undefined) {
    const { start, end, axis } = slice.attributes;
    return `slice ${start}:${end} of axis ${axis}`;
  }
  const [operand] = node.inputs.flatMap((source) => constantOp.read(source)?.attributes ?? []);
  if (operand?.purpose !== undefined) return operand.purpose;
  const axes = axesOf(node.attributes);
  if (axes.length > 0)
    return `${name} over ${axes.length === 1 ? 'axis' : 'axes'} ${axes.join(', ')}`;
  const number = operand?.data.length === 1 ? operand.data[0] : undefined;
  return number === undefined ? name : `${name} ${Number(number.toPrecision(4))}`;
}

/** The axes that an op works along, as its attributes say, whichever op it is. */
function axesOf(attributes: object): number[] {
  const named =
    'axes' in attributes ? attributes.axes : 'axis' in attributes ? attributes.axis : [];
  return [named].flat().filter((axis) => typeof axis === 'number');
}
