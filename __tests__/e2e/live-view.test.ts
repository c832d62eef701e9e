/** The live view of the command line in a terminal, while a rollout is in progress. */
import { expect, test } from '@jest/globals';
import { load } from 'js-yaml';
import { atTerminal, shown, textOf } from '../helpers/at-terminal.ts';
import { type Any, eventually, type Fleet, type ManifestOptions, withFleet } from '../helpers/support.ts';
import type { RunningTerminal } from '../helpers/terminal.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };
const count = (terminal: RunningTerminal, text: string): number => textOf(terminal).split(text).length - 1;
const STATUS = ['status', 'ds/agent'];
/** A gate that only ends in time if it is interrupted. */
const ENDLESS = [...STATUS, '--failure-grace', '10m', '--progress-deadline', '0s'];

/** v1 on every node, and a version that cannot be pulled on some of them. A third crash would end a gate at once. */
async function broken(fleet: Fleet, options: ManifestOptions = {}): Promise<void> {
  await fleet.rollOut('v1', fast);
  await fleet.getStuck('v2-missing', { maxUnavailable: 3, ...options });
}

test('it shows the broken nodes first, adapts to the window, and its last state stays once', async () =>
  withFleet(async (fleet) => {
    await broken(fleet);
    const terminal = atTerminal(fleet, ENDLESS);
    await shown(terminal, '3 nodes broken');
    await shown(terminal, /^× node-\d+ +agent-\w+ .*(ErrImagePull|ImagePullBackOff)/);
    await shown(terminal, 'Next: kubectl ');
    for (const [columns, rows] of [
      [60, 12],
      [40, 8],
      [100, 24],
    ] as const) {
      terminal.resize(columns, rows);
      const drawn = terminal.output().length;
      // At the latest, the next tick draws it again.
      await terminal.until('another frame', () => terminal.output().slice(drawn).includes('\x1b[?2026l'));
      await terminal.until('the state', () => {
        const screen = terminal.screen();
        // In a larger window, a terminal shows rows again that were scrolled out of it.
        const view = screen.slice(screen.findLastIndex((row) => row.startsWith(fleet.namespace)));
        return screen.length === rows && view.filter((row) => row.includes('nodes broken')).length === 1 && screen.at(-1) === '';
      });
    }
    await fleet.kubectl(['delete', 'daemonset/agent', '--wait=false']);
    expect(await terminal.done).toEqual({ code: 6 });
    expect(count(terminal, '× Deleted')).toBe(1);
    expect(terminal.isCursorVisible()).toBe(true);
  }));

test('the whole of a rollback: one final view in the scrollback, warnings above it', async () =>
  withFleet(async (fleet) => {
    await broken(fleet);
    const terminal = atTerminal(fleet, ['rollback', 'ds/agent', '--yes', '--stable-for', '3s'], { columns: 80, rows: 20 });
    await shown(terminal, /\d\/10 stable/);
    expect(await terminal.done).toEqual({ code: 0 });
    const rows = terminal.scrollback();
    const at = (text: string): number[] => rows.flatMap((row, index) => (row.includes(text) ? [index] : []));
    expect([at('✓ Complete').length, at('Rolled back: DaemonSet').length]).toEqual([1, 1]);
    expect(at('Warning: The DaemonSet is deployed by kubectl').every((row) => row < (at('✓ Complete')[0] ?? 0))).toBe(true);
    expect(at('stable').filter((row) => rows[row]?.includes('/10 stable'))).toHaveLength(1);
  }));

test('Ctrl-C ends the watch and says how to resume it; the rollout continues', async () =>
  withFleet(async (fleet) => {
    await broken(fleet);
    const terminal = atTerminal(fleet, ENDLESS);
    await shown(terminal, 'nodes broken');
    terminal.type('\x03');
    expect(await terminal.done).toEqual({ code: 130 });
    expect(textOf(terminal)).toContain('No longer watched; the rollout continues');
    expect(textOf(terminal)).toContain(`To continue watching: rollback-daemonset status ${fleet.namespace}/agent --context testbed`);
    expect(terminal.isCursorVisible()).toBe(true);
  }));

test('Ctrl-C twice ends at once', async () =>
  withFleet(async (fleet) => {
    await broken(fleet);
    const terminal = atTerminal(fleet, ENDLESS);
    await shown(terminal, 'nodes broken');
    terminal.type('\x03\x03');
    expect(await terminal.done).toEqual({ code: 130 });
    expect(terminal.isCursorVisible()).toBe(true);
  }));

/** What a terminal would act on, if it were printed. */
const HOSTILE = '\x1b[2J\x1b[10A\x1b]8;;https://evil.example\x07link\x1b]8;;\x07\rOVERWRITTEN\u202egnp.exe\u2066 👩‍👩‍👧‍👦🎉\x9b31m\u0007';

test('text of the cluster does not control the terminal, and its secrets are hidden', async () =>
  withFleet(async (fleet) => {
    const { users } = load(await fleet.kubectl(['config', 'view', '--raw'])) as Any;
    const secret = users[0].user['client-key-data'] as string;
    await fleet.rollOut('v1', { ...fast, cause: `${HOSTILE} ${'long '.repeat(200)}` });
    await fleet.deploy('v2-crash', { maxUnavailable: 3, cause: `${HOSTILE} ${secret}` });
    await eventually(
      'a pod that crashes',
      () => fleet.json('get', 'pods'),
      ({ items }) => items.some(({ status }: Any) => (status.containerStatuses?.[0]?.restartCount ?? 0) > 0),
    );
    const terminal = atTerminal(fleet, ['rollback', 'ds/agent', '--dry-run'], { columns: 160 });
    expect(await terminal.done).toEqual({ code: 0 });
    const [pod] = (await fleet.json('get', 'pods', '--selector=app=agent')).items as Any[];
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'hostile', namespace: fleet.namespace },
      involvedObject: { kind: 'Pod', name: pod.metadata.name, namespace: fleet.namespace, uid: pod.metadata.uid },
      type: 'Warning',
      reason: 'BackOff',
      message: `${HOSTILE} ${secret}`,
    };
    await fleet.kubectl(['create', '-f', '-'], JSON.stringify(event));
    const live = atTerminal(fleet, ['status', 'ds/agent', '--failure-grace', '3s'], { columns: 60, rows: 20 });
    expect((await live.done).code).toBe(4);
    for (const each of [terminal, live]) {
      const text = textOf(each);
      expect(text).not.toContain(secret.slice(0, 40));
      expect(text).not.toContain('\u202e');
      for (const sequence of ['\x1b[2J', '\x1b[10A', '\x1b]8', '\x9b', '\x07']) expect(each.output()).not.toContain(sequence);
      expect(each.output().replaceAll('\r\n', '')).not.toContain('\rOVERWRITTEN');
    }
    expect(count(live, '× Failed')).toBe(1);
    expect(textOf(terminal)).toContain('OVERWRITTEN');
  }));
