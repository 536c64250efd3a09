/**
 * The path of the module whose forward is running (`layer2.0.conv1`). Tensors remember it, so
 * that errors, ONNX node names and profiles can say where in the model they belong.
 */
const stack: string[] = [];

/** Runs `body` with `path` as the current module path. */
export function withScope<T>(path: string, body: () => T): T {
  stack.push(path);
  try {
    return body();
  } finally {
    stack.pop();
  }
}

/** The current module path; empty outside of any module. */
export function currentScope(): string {
  return stack.at(-1) ?? '';
}
