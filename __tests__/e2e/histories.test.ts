/** Whatever happened to a DaemonSet before: no step brings back what was rolled back, or undoes what someone else deployed. */
import { afterAll, test } from '@jest/globals';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { playHistory } from '../helpers/histories.ts';

let started: Promise<Testbed> | undefined;
const ownTestbed = (): Promise<Testbed> => {
  started ??= startTestbed({ nodes: 2 });
  return started;
};
afterAll(async () => (await started)?.stop());

test.concurrent.each([1, 2, 3])(
  '60 random moves with the seed %i',
  async (seed) => playHistory(await ownTestbed(), { seed, moves: 60 }),
  400_000,
);
