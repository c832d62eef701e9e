import { startTestbed, type Testbed } from '../../testbed/testbed.ts';

/** One test bed for all end-to-end tests; each test has its own namespace in it. */
export default async function setup(): Promise<void> {
  const testbed = await startTestbed({ nodes: 10, maxContainerRestartPeriod: '1s', log: (line) => console.error(line) });
  process.env['TESTBED'] = testbed.directory;
  (globalThis as { testbed?: Testbed }).testbed = testbed;
}
