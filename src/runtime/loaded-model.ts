import { FoveaError } from '../errors.js';
import type { ModelHead } from '../onnx/read-model.js';
import type { EngineApi, HostTensors } from './engine.js';

/** A model that came as an ONNX file, ready to run. Made by {@link Runtime.load}. */
export class LoadedModel {
  /**
   * @param head its inputs, outputs and metadata
   * @param session of the engine
   */
  constructor(
    readonly head: ModelHead,
    private readonly engine: EngineApi,
    private readonly session: number,
  ) {}

  /**
   * Runs the model.
   * @param feeds a tensor for every input, by name
   * @returns its outputs by name
   * @throws FoveaError for an input that is missing or does not fit, and if it was disposed
   */
  async run(feeds: HostTensors): Promise<HostTensors> {
    try {
      return (await this.engine.run(this.session, feeds)).outputs;
    } catch (error) {
      throw asFoveaError(error, 'The model failed');
    }
  }

  /** Lets go of it, after the run that is under way. Doing it again does nothing. */
  dispose(): Promise<void> {
    return this.engine.unload(this.session);
  }
}

/** An error of ONNX Runtime as one of Fovea, so that nobody takes it for a bug of the program. */
export function asFoveaError(error: unknown, what: string): FoveaError {
  if (error instanceof FoveaError && error.message.startsWith(what)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new FoveaError(`${what}: ${reason.trim()}`, { cause: error });
}
