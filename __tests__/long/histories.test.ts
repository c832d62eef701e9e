/**
 * 10,000 random moves: whatever happened to a DaemonSet before, no step brings back what was rolled back, or undoes what someone else
 * deployed. `TEST_SEED` repeats the histories of an earlier run.
 */
import { afterAll, test } from '@jest/globals';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { playHistory } from '../helpers/histories.ts';
import { printLine } from '../helpers/support.ts';

const HISTORIES = 50;
const MOVES = 200;

const first = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const seeds = Array.from({ length: HISTORIES }, (_, index) => first + index);

let started: Promise<Testbed> | undefined;
const ownTestbed = (): Promise<Testbed> => {
  started ??= startTestbed({ nodes: 2 });
  return started;
};
afterAll(async () => (await started)?.stop());

printLine(`The seeds are ${first} and those after it. Again: TEST_SEED=${first} npm run test:long -- histories`);
test.concurrent.each(seeds)(
  `${MOVES} random moves with the seed %i`,
  async (seed) => {
    try {
      await playHistory(await ownTestbed(), { seed, moves: MOVES, shortenFor: 300_000 });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n\nAgain: TEST_SEED=${seed} npm run test:long -- histories -t 'seed ${seed}$'`);
    }
  },
  14_400_000,
);
