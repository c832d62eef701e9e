/**
 * A small program with a live view: it shows states until it is interrupted, as the command line does: once to end the view, twice to exit at
 * once. `e` on the standard input logs a line, `p` prints one above the view, `q` ends the view.
 */
import { LiveDisplay } from '../../src/ci/live-display.ts';
import { crash, entry, liveState, NOW, starting, waiting } from './live-states.ts';

const display = new LiveDisplay(process.stdout, { cluster: { server: 'https://10.0.0.1:6443', context: 'prod-eu' } });
const { daemonSet } = entry('log-agent', liveState([0, 0, 0, 10]));

process.stdout.write('before\n');
display.event('Waiting for the rollout');
display.show(
  daemonSet,
  liveState([8, 5, 5, 10], [crash('node-3'), crash('node-7'), starting('node-8'), waiting('node-9'), waiting('node-10')]),
);

let interrupts = 0;
process.on('SIGINT', () => {
  interrupts += 1;
  if (interrupts > 1) process.exit(130);
});
let lines = 0;
process.stdin.on('data', (data) => {
  for (const key of String(data)) {
    if (key === 'e') display.event(`event ${++lines}`);
    if (key === 'p') display.print(`printed ${++lines}`, 'busy');
    if (key !== 'q') continue;
    display.show(daemonSet, liveState([10, 10, 10, 10], [], { end: 'complete', now: NOW + 5_000 }));
    display.end();
    process.stdout.write('after\n');
    process.exit(0);
  }
});
process.stdin.setRawMode?.(process.argv[2] === 'raw');
