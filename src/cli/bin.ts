#!/usr/bin/env node
/** The `fovea` command; or, where a package that it needs is missing, how to install it. */
import { loadForNode } from '../packages.node.js';

try {
  await loadForNode(() => import('./main.js'));
} catch (error) {
  process.stderr.write(`fovea: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
