/** Parity with PyTorch: golden cases, and how they are compared. */
export {
  beyondTolerance,
  compareWithGolden,
  GOLDEN_TOLERANCE,
  readGolden,
  type GoldenCase,
  type GoldenDifference,
  type GoldenSubject,
} from './golden.js';
export { evaluateOn, verifyCase, type Verification } from './verify.js';
