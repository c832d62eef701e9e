/** The command line at a terminal: what it asks before a write, and what it shows while a rollout is in progress. */
import { describe, expect, test } from '@jest/globals';
import { asked, atTerminal, questions, textOf } from '../helpers/at-terminal.ts';
import { type Any, eventually, type Fleet, type ManifestOptions, withFleet } from '../helpers/support.ts';
import { type RunningTerminal, startTerminal } from '../helpers/terminal.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };
const AGENT = ['rollback', 'ds/agent'];

/** v1, then v2, on every node. */
async function twoVersions(fleet: Fleet): Promise<void> {
  await fleet.rollOut('v1', fast);
  await fleet.rollOut('v2', fast);
}

/** v1 on every node, and v2 that is deployed and current. */
async function deployed(fleet: Fleet, tag: string, options: ManifestOptions = {}): Promise<void> {
  await fleet.rollOut('v1', fast);
  await fleet.deploy(tag, { ...fast, ...options });
  await fleet.observed();
}

const count = (terminal: RunningTerminal, text: string): number => textOf(terminal).split(text).length - 1;

describe('the question before a write', () => {
  test('it comes after the differences, in color, and names the cluster, the namespace and the number of nodes', async () =>
    withFleet(async (fleet) => {
      await twoVersions(fleet);
      const terminal = atTerminal(fleet, AGENT);
      await asked(terminal);
      const text = textOf(terminal);
      expect(text).toContain('Would roll back from revision 2');
      expect(text).toContain('- registry.example/agent:v2');
      expect(text).toMatch(new RegExp(`DaemonSet agent, namespace ${fleet.namespace}, 10 nodes: revision 2 \\(.*\\) to\\s+revision 1`));
      expect(terminal.output()).toContain('\x1b[32m+ registry.example/agent:v1\x1b[39m');
      expect(terminal.output()).toContain('- registry.example/agent:v2\x1b[');
      terminal.type('y\r');
      expect(await terminal.done).toEqual({ code: 0 });
      expect([await fleet.image(), fleet.writes(), questions(terminal)]).toEqual(['v1', 1, 1]);
    }));

  test('without a yes, nothing is written', async () =>
    withFleet(async (fleet) => {
      await twoVersions(fleet);
      const answers: [string, (terminal: RunningTerminal) => void][] = [
        ['not confirmed', (terminal) => terminal.type('n\r')],
        ['not confirmed', (terminal) => terminal.type('\r')],
        ['not confirmed', (terminal) => terminal.type('yep\r')],
        ['not confirmed', (terminal) => terminal.type('\x04')],
        ['Cancelled.', (terminal) => terminal.type('\x03')],
        ['Cancelled.', (terminal) => process.kill(terminal.pid, 'SIGTERM')],
      ];
      await Promise.all(
        answers.map(async ([why, answer]) => {
          const terminal = atTerminal(fleet, AGENT);
          await asked(terminal);
          answer(terminal);
          expect(await terminal.done).toEqual({ code: 130 });
          expect(textOf(terminal)).toContain(why);
          expect(textOf(terminal)).toContain('Nothing was written.');
        }),
      );
      expect([await fleet.image(), fleet.writes()]).toEqual(['v2', 0]);
    }));

  test('with --yes and --dry-run, there is none', async () =>
    withFleet(async (fleet) => {
      await twoVersions(fleet);
      const dry = atTerminal(fleet, [...AGENT, '--dry-run']);
      expect(await dry.done).toEqual({ code: 0 });
      expect(fleet.writes()).toBe(0);
      const terminal = atTerminal(fleet, [...AGENT, '--yes']);
      expect(await terminal.done).toEqual({ code: 0 });
      expect(textOf(terminal)).toContain('Rolling back from revision 2');
      expect([questions(dry), questions(terminal), fleet.writes()]).toEqual([0, 0, 1]);
    }));

  test('several DaemonSets are all shown first, and one answer is for all', async () =>
    withFleet(async (fleet) => {
      const other = fleet.beside('exporter');
      await Promise.all([twoVersions(fleet), twoVersions(other)]);
      const terminal = atTerminal(fleet, [...AGENT, 'ds/exporter']);
      await asked(terminal);
      for (const name of ['agent', 'exporter']) expect(textOf(terminal)).toContain(`DaemonSet ${name}, namespace`);
      terminal.type('YES\r');
      expect(await terminal.done).toEqual({ code: 0 });
      expect([await fleet.image(), await other.image(), questions(terminal)]).toEqual(['v1', 'v1', 1]);
    }));

  test('after a deploy by someone else in the meantime, it asks again about what is different', async () =>
    withFleet(async (fleet) => {
      await twoVersions(fleet);
      const terminal = atTerminal(fleet, AGENT);
      await asked(terminal);
      await fleet.deploy('v3', fast);
      await fleet.observed();
      const { metadata } = await fleet.daemonSet();
      terminal.type('y\r');
      await asked(terminal, 2);
      expect(textOf(terminal)).toContain('- registry.example/agent:v3');
      // The API server refused what was confirmed, because it was no longer right.
      expect((await fleet.daemonSet()).metadata.generation).toBe(metadata.generation);
      terminal.type('n\r');
      expect(await terminal.done).toEqual({ code: 130 });
      expect([await fleet.image(), (await fleet.daemonSet()).metadata.generation]).toEqual(['v3', metadata.generation]);
    }));

  test('the timeout of the rollout begins with the answer, and a question that is open for longer than it is over', async () =>
    withFleet(async (fleet) => {
      await deployed(fleet, 'v2');
      const timeout = 8_000;
      const flags = ['--timeout', `${timeout / 1_000}s`, '--stable-for', '5s'];
      const late = atTerminal(fleet, [...AGENT, ...flags]);
      expect((await late.done).code).toBe(5);
      expect(textOf(late)).toContain('The time is up. Nothing was written.');
      const begun = Date.now();
      const terminal = atTerminal(fleet, [...AGENT, ...flags]);
      await asked(terminal);
      await eventually(
        'most of the time to pass',
        () => Date.now() - begun,
        (ms) => ms > timeout - 3_000,
      );
      terminal.type('y\r');
      expect(await terminal.done).toEqual({ code: 0 });
      expect(Date.now() - begun).toBeGreaterThan(timeout);
    }));

  test('before the release of holds, it asks once, and never releases a hold that was not shown', async () =>
    withFleet(async (fleet) => {
      const hold = (name: string, value: string): Promise<string> =>
        fleet.kubectl(['annotate', '--overwrite', `daemonset/${name}`, `rollback-daemonset/hold=${value}`]);
      const holds = async (): Promise<unknown[]> =>
        (await fleet.json('get', 'daemonsets')).items.map(({ metadata }: Any) => metadata.annotations['rollback-daemonset/hold']);
      const other = fleet.beside('exporter');
      for (const each of [fleet, other]) await each.deploy('v1');
      for (const name of ['agent', 'exporter']) await hold(name, 'night');
      const both = ['release', 'ds/agent', 'ds/exporter'];
      const no = atTerminal(fleet, both);
      await asked(no);
      no.type('n\r');
      expect(await no.done).toEqual({ code: 130 });
      expect(await holds()).toEqual(['night', 'night']);
      const terminal = atTerminal(fleet, both);
      await asked(terminal);
      await hold('agent', 'day');
      terminal.type('y\r');
      await asked(terminal, 2);
      terminal.type('n\r');
      expect(await terminal.done).toEqual({ code: 130 });
      expect(await holds()).toEqual(['day', undefined]);
    }));
});

describe('a gate and a guard do not ask', () => {
  test('status --rollback-on-failure', async () =>
    withFleet(async (fleet) => {
      await deployed(fleet, 'v2-crash', { maxUnavailable: 3 });
      const terminal = atTerminal(fleet, ['status', 'ds/agent', '--rollback-on-failure', '--failure-grace', '2s']);
      expect((await terminal.done).code).toBe(7);
      expect([await fleet.image(), questions(terminal), fleet.writes()]).toEqual(['v1', 0, 1]);
      // The differences stay above the view of the rollback.
      expect(count(terminal, '- registry.example/agent:v2-crash')).toBe(1);
      expect(count(terminal, '✓ Complete')).toBe(1);
    }));

  test('guard around a command, whose output is above the view', async () =>
    withFleet(async (fleet) => {
      await fleet.rollOut('v1', fast);
      const { kubectl, kubeconfig } = fleet.testbed;
      const image = 'agent=registry.example/agent:v2-crash';
      const deploy = [kubectl, '--kubeconfig', kubeconfig, '--namespace', fleet.namespace, 'set', 'image', 'daemonset/agent', image];
      const terminal = atTerminal(fleet, ['guard', 'ds/agent', '--failure-grace', '2s'], {}, ['--', ...deploy]);
      expect((await terminal.done).code).toBe(7);
      expect([await fleet.image(), questions(terminal)]).toEqual(['v1', 0]);
      expect(textOf(terminal)).toContain('daemonset.apps/agent image updated');
      expect(terminal.isCursorVisible()).toBe(true);
    }));
});

describe('off a terminal', () => {
  /** The command line in a shell in a terminal, with its output in a file. */
  const inShell = (fleet: Fleet, line: string, env: Record<string, string> = {}): RunningTerminal =>
    startTerminal('sh', ['-c', line.replaceAll('CLI', `node dist/cli.js rollback ds/agent --namespace ${fleet.namespace}`)], {
      columns: 120,
      rows: 30,
      env: { KUBECONFIG: fleet.testbed.kubeconfig, ROLLBACK_DAEMONSET_STABLE_FOR: '1s', ...env },
    });

  const ESCAPE = '\x1b';
  const COLOR = new RegExp(`${ESCAPE}\\[[\\d;]*m`);

  test.each<[string, string, Record<string, string>]>([
    ['without a terminal for its output', 'CLI | cat', {}],
    ['with a document as output', 'CLI --output json 2>&1 | cat', {}],
    ['in a job whose runner has a terminal', 'CLI', { CI: 'true' }],
    ['with neither', 'CLI </dev/null 2>&1 | cat', { CI: 'true' }],
  ])('%s, nothing is asked and lines are plain', async (_, line, env) =>
    withFleet(async (fleet) => {
      await twoVersions(fleet);
      const terminal = inShell(fleet, line, env);
      expect(await terminal.done).toEqual({ code: 0 });
      expect([await fleet.image(), questions(terminal)]).toEqual(['v1', 0]);
      expect(terminal.output()).not.toContain(ESCAPE);
    }),
  );

  test('without a terminal for its input, nothing is asked', async () =>
    withFleet(async (fleet) => {
      await twoVersions(fleet);
      const terminal = inShell(fleet, 'CLI </dev/null');
      expect(await terminal.done).toEqual({ code: 0 });
      expect([await fleet.image(), questions(terminal)]).toEqual(['v1', 0]);
    }));

  test('a terminal that cannot move its cursor asks, and has plain lines', async () =>
    withFleet(async (fleet) => {
      await twoVersions(fleet);
      const terminal = atTerminal(fleet, AGENT, { env: { TERM: 'dumb' } });
      await asked(terminal);
      terminal.type('y\r');
      expect(await terminal.done).toEqual({ code: 0 });
      expect(textOf(terminal)).toContain('daemon set "agent" successfully rolled out');
      expect(textOf(terminal)).not.toContain('✓ Complete');
      expect(terminal.output()).not.toContain(`${ESCAPE}[?`);
    }));

  test('with NO_COLOR, nothing has a color', async () =>
    withFleet(async (fleet) => {
      await twoVersions(fleet);
      const terminal = atTerminal(fleet, [...AGENT, '--yes'], { env: { NO_COLOR: '1' } });
      expect(await terminal.done).toEqual({ code: 0 });
      expect(textOf(terminal)).toContain('✓ Complete');
      expect(terminal.output()).not.toMatch(COLOR);
    }));
});
