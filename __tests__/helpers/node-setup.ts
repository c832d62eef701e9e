import { startTestbed, type Testbed, whyNoRealNodes } from '../../testbed/testbed.ts';

/** One test bed with a real node for all tests on real nodes, where this machine can run one. */
export default async function setup(): Promise<void> {
  const obstacle = whyNoRealNodes();
  if (obstacle !== undefined) {
    console.error(`The tests on real nodes are skipped: ${obstacle}.`);
    return;
  }
  const testbed = await startTestbed({ nodes: 1, realNodes: 1, log: (line) => console.error(line) });
  process.env['TESTBED'] = testbed.directory;
  (globalThis as { testbed?: Testbed }).testbed = testbed;
}
