/** The models by name, and the function that makes them. */
import { Registry, requireMade } from '../registry.js';
import { Model, type ModelOptions } from './model.js';
import { resnets } from './resnets.js';
import { vits } from './vits.js';

const builtIn = [...resnets, ...vits] as const;

/** The models that are here from the start, by their ids. */
export type BuiltInModels = { readonly [One in (typeof builtIn)[number] as One['id']]: One };

/** The id of a model that is here from the start: `resnet20`. */
export type ModelId = keyof BuiltInModels;

/** The class of the networks that a model makes. */
export type NetOf<Id extends ModelId> = ReturnType<BuiltInModels[Id]['create']>;

const registry = new Registry<Model>('model', builtIn);

/** The models: `models.get('resnet20').create({ classes: 100 })`. */
export const models = {
  /** All models, in the order in which they were added. */
  list(): readonly Model[] {
    return registry.list();
  },

  /** @throws RequestError if there is none of this id; names the nearest ones */
  get<Id extends string>(id: Id): Id extends ModelId ? BuiltInModels[Id] : Model {
    // Those that are here from the start are registered first, and no other can take their ids.
    return registry.get(id) as Id extends ModelId ? BuiltInModels[Id] : Model;
  },

  has(id: string): boolean {
    return registry.has(id);
  },

  /**
   * Adds a model of one's own, so that command lines and configurations can name it.
   * @throws RequestError if another one has its id, and for what defineModel did not make
   */
  register(model: Model): void {
    requireMade(model, Model, 'defineModel', 'models.register');
    registry.add(model);
  },
};

/**
 * Makes a network: `createModel('resnet20', { classes: 100, attention: 'se', seed: 1 })`. For a name that
 * is not known before the program runs: `models.get(name).create(..)`.
 * @throws RequestError for an unknown model, attention, option or value; names the nearest ones
 */
export function createModel<Id extends ModelId>(
  id: Id,
  options?: Parameters<BuiltInModels[Id]['create']>[0],
): NetOf<Id> {
  // What is registered under an id is what the type says, which the compiler cannot see.
  const net: unknown = registry.get(id).create(options as ModelOptions);
  return net as NetOf<Id>;
}
