/**
 * Errors that a person is meant to read: what was wrong, what was expected, what to do.
 * The command line prints their message without a stack trace and maps them to exit codes.
 */
export class FoveaError extends Error {
  // Written out, since a bundler may shorten the names of classes.
  override name = 'FoveaError';

  /** @param message of any length: names that come from files have no bound of their own */
  constructor(message: string, options?: ErrorOptions) {
    super(readable(message), options);
  }
}

/** So many characters of a message are read, not more. */
const LONGEST = 2000;

/** A message without its middle, if it is too long: what is wrong stands first, what to do last. */
function readable(message: string): string {
  if (message.length <= LONGEST) return message;
  const [head, tail] = [message.slice(0, (2 / 3) * LONGEST), message.slice(-LONGEST / 4)];
  const left = message.length - head.length - tail.length;
  return `${head} [.. ${left} characters ..] ${tail}`;
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
