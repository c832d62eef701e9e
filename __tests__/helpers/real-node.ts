import { describe } from '@jest/globals';
import { whyNoRealNodes } from '../../testbed/testbed.ts';

const obstacle = whyNoRealNodes();

/** Tests that need a real node: skipped where this machine cannot run one, and the title says why. */
export function describeOnRealNode(title: string, tests: () => void): void {
  if (obstacle === undefined) describe(title, tests);
  else describe.skip(`${title} (skipped: ${obstacle})`, tests);
}
