/** A version that is Ready for a moment at each start must not get far, even on a large cluster where no pod waits for another. */
import { expect, test } from '@jest/globals';
import type { Step } from '../../testbed/step.ts';
import { startTestbed } from '../../testbed/testbed.ts';
import { PodRecorder } from '../helpers/pod-recorder.ts';
import { expectStep, Fleet } from '../helpers/support.ts';

/** Nodes that may have received the version when it is taken back. */
const MOST = 15;

test('300 nodes, one at a time: at most 15 have received a version that crashes a second after it is Ready', async () => {
  const testbed = await startTestbed({ nodes: 300 });
  try {
    const fleet = await Fleet.create({ testbed });
    await fleet.rollOut('v1', { maxUnavailable: '100%' });
    const recorder = PodRecorder.start(fleet, 'v2-slow-crash');
    await fleet.deploy('v2-slow-crash', { maxUnavailable: 1 });
    let received = Number.POSITIVE_INFINITY;
    const running = fleet.start({ command: 'status', 'rollback-on-failure': 'true', 'stable-for': 'auto', timeout: '5m' }, {}, (line) => {
      if (line.includes('rolled back: revision 2')) received = Math.min(received, recorder.nodes);
    });
    const step = await running.done;
    recorder.stop();
    const counted: Step & { isInTime: boolean } = { ...step, log: `${step.log}\nNodes: ${received}`, isInTime: received <= MOST };
    expectStep(counted, { code: 1, outputs: { outcome: 'failed', reason: 'crash-loop', changed: 'true' }, isInTime: true });
    expect(await fleet.image()).toBe('v1');
  } finally {
    await testbed.stop();
  }
}, 600_000);
