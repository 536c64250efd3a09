/**
 * Errors that a person is meant to read: what was wrong, what was expected, what to do.
 * The command line prints their message without a stack trace and maps them to exit codes.
 */
export class FoveaError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The request itself was wrong (an unknown id, flag or file, an impossible shape): exit code 2. */
export class RequestError extends FoveaError {}

/** Shapes that an operation cannot take. Names the operation, the shapes and the module path. */
export class ShapeError extends RequestError {}

/** A device that is not to be had on this machine. Names those that are. */
export class DeviceError extends RequestError {}

/** A file that is missing, truncated, corrupt or of another kind than expected. */
export class FileError extends RequestError {}
