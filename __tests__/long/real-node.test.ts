/** Starting and stopping real nodes, again and again, leaves nothing behind. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect, test } from '@jest/globals';
import { attachTestbed, type Testbed } from '../../testbed/testbed.ts';
import { type Machine, machine, testbedNames } from '../helpers/machine.ts';
import { describeOnRealNode } from '../helpers/real-node.ts';
import { eventually, Fleet, processesOf } from '../helpers/support.ts';

const STARTS = 20;
/** Every fourth owner is killed. */
const KILLED = 4;

describeOnRealNode('a real node', () => {
  test(`leaves nothing behind after ${STARTS} starts, ${STARTS / KILLED} of which end with SIGKILL of the owner`, async () => {
    const others = testbedNames();
    const before: Machine = machine(others);
    for (let count = 1; count <= STARTS; count++) {
      const began = Date.now();
      const { testbed, end } = await startElsewhere();
      const started = Date.now();
      const fleet = await Fleet.create({ testbed });
      await fleet.rollOut('v1', { podSpec: { nodeSelector: { type: 'real' } } });
      const stopping = Date.now();
      end(count % KILLED === 0 ? 'SIGKILL' : 'SIGTERM');
      await eventually(
        'its processes to end',
        () => processesOf(testbed.directory),
        (pids) => pids.length === 0,
      );
      console.log(`${count}: started in ${started - began} ms, stopped in ${Date.now() - stopping} ms`);
      expect(machine(others)).toEqual(before);
    }
  }, 900_000);
});

async function startElsewhere(): Promise<{ testbed: Testbed; end: (signal: NodeJS.Signals) => void }> {
  const program = `import { startTestbed } from './testbed/testbed.ts';
    const testbed = await startTestbed({ nodes: 2, realNodes: 1 });
    console.log(testbed.directory);
    process.once('SIGTERM', () => testbed.stop().then(() => process.exit()));
    setInterval(() => {}, 1_000);`;
  const owner = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const directory of createInterface({ input: owner.stdout }))
    return { testbed: attachTestbed(directory), end: (signal) => void owner.kill(signal) };
  throw new Error('The test bed did not start.');
}
