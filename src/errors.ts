/**
 * Errors that a person is meant to read: what was wrong, what was expected, what to do.
 * The command line prints their message without a stack trace and maps them to exit codes.
 */
export class FoveaError extends Error {
  // Written out, since a bundler may shorten the names of classes.
  override name = 'FoveaError';
}

/** The request itself was wrong (an unknown id, flag or file, an impossible shape): exit code 2. */
export class RequestError extends FoveaError {
  override name = 'RequestError';
}

/** Shapes that an operation cannot take. Names the operation, the shapes and the module path. */
export class ShapeError extends RequestError {
  override name = 'ShapeError';
}

/** A device that is not to be had on this machine. Names those that are. */
export class DeviceError extends RequestError {
  override name = 'DeviceError';
}

/** A file that is missing, truncated, corrupt or of another kind than expected. */
export class FileError extends RequestError {
  override name = 'FileError';
}
