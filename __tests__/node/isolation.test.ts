/** A real node leaves the machine as it was, however it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { attachTestbed, startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { type Machine, machine, testbedNames } from '../helpers/machine.ts';
import { describeOnRealNode } from '../helpers/real-node.ts';
import { eventually, Fleet, processesOf } from '../helpers/support.ts';

describeOnRealNode('the machine is unchanged after a real node', () => {
  let others: string[];
  let before: Machine;
  const owners: ChildProcess[] = [];
  beforeAll(() => {
    others = testbedNames();
    before = machine(others);
  });
  afterEach(() => {
    for (const owner of owners.splice(0)) owner.kill('SIGKILL');
  });

  test('was stopped', async () => {
    const testbed = await startTestbed({ nodes: 0, realNodes: 2 });
    await runPods(testbed);
    expect(machine(others)).not.toEqual(before);
    await testbed.stop();
    expect(machine(others)).toEqual(before);
    expect(processesOf(testbed.directory)).toEqual([]);
  });

  test('had an owner that was killed', async () => {
    const { owner, testbed } = await ownedByAnother();
    await runPods(testbed);
    owner.kill('SIGKILL');
    await isGone(testbed);
    expect(machine(others)).toEqual(before);
  });

  test('had a supervisor that was killed', async () => {
    const { owner, testbed } = await ownedByAnother();
    const { supervisor } = testbed;
    process.kill(supervisor, 'SIGKILL');
    await eventually(
      'its node to stop',
      () => machine(others),
      (now) => now['addresses'] === before['addresses'],
    );
    owner.kill('SIGKILL');
    // The control plane remains until the next start.
    await (await startTestbed({ nodes: 0 })).stop();
    expect(processesOf(testbed.directory)).toEqual([]);
    expect(machine(others)).toEqual(before);
  });

  test('was killed, once the next test bed has started', async () => {
    const { owner, testbed } = await ownedByAnother();
    const { supervisor, pids } = testbed;
    for (const pid of [supervisor, pids['real-1']]) process.kill(pid, 'SIGKILL');
    owner.kill('SIGKILL');
    await eventually(
      'the supervisor to end',
      () => processesOf(testbed.directory),
      (left) => !left.includes(supervisor),
    );
    await (await startTestbed({ nodes: 0 })).stop();
    expect(processesOf(testbed.directory)).toEqual([]);
    expect(machine(others)).toEqual(before);
  });

  async function runPods(testbed: Testbed): Promise<void> {
    const fleet = await Fleet.create({ testbed });
    await fleet.rollOut('v1', { podSpec: { nodeSelector: { type: 'real' } } });
  }

  async function ownedByAnother(): Promise<{ owner: ChildProcess; testbed: Testbed }> {
    const program = `import { startTestbed } from './testbed/testbed.ts';
      const { directory } = await startTestbed({ nodes: 0, realNodes: 1 });
      console.log(directory);
      setInterval(() => {}, 1_000);`;
    const owner = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    owners.push(owner);
    for await (const directory of createInterface({ input: owner.stdout })) return { owner, testbed: attachTestbed(directory) };
    throw new Error('The test bed did not start.');
  }

  async function isGone({ directory }: Testbed): Promise<void> {
    await eventually(
      'its processes to end',
      () => processesOf(directory),
      (pids) => pids.length === 0,
    );
  }
});
