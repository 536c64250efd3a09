/** The part of the package that is used; it comes without types. */
declare module 'fs-native-extensions' {
  /** Locks a file for whoever holds this descriptor; false if another one has it. */
  export function tryLock(descriptor: number): boolean;
}
