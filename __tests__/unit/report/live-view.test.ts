import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import stringWidth from 'string-width';
import type { FailingNode } from '../../../src/daemonset/diagnosis.ts';
import type { LiveRollout } from '../../../src/daemonset/live-rollout.ts';
import { CAUSES } from '../../../src/daemonset/pod-failure.ts';
import { liveLines, type Screen } from '../../../src/report/live-view.ts';
import { fitName, fitText, PLAIN, type Style, widthOf } from '../../../src/report/terminal-text.ts';
import { crash, entry, failingNode, liveState, NOW, starting, waiting } from '../../helpers/live-states.ts';

const cluster = { server: 'https://10.0.0.1:6443', context: 'prod-eu' };
const view = (screen: Partial<Screen>, columns = 80, rows = 24): string[] =>
  liveLines({ cluster, rollouts: [], events: [], ...screen }, { columns, rows }, PLAIN);
const one = (state: LiveRollout, columns?: number, rows?: number): string[] =>
  view({ rollouts: [entry('log-agent', state)], events: [{ clock: '03:12:04', line: 'updated 4→8 of 10' }] }, columns, rows);
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `node-${index + 1}`);

describe('a rollout', () => {
  test('in full', () => {
    const pull = failingNode('node-7', 'image-pull', { reason: 'ImagePullBackOff', message: 'manifest unknown: not found' });
    const failing = [waiting('node-9'), starting('node-8'), waiting('node-10'), pull, crash('node-3')];
    expect(one(liveState([8, 5, 5, 10], failing, { leftMs: 40_000 }))).toEqual([
      'logging/log-agent  revision 3 → 4, restores revision 2',
      'context prod-eu · https://10.0.0.1:6443',
      '',
      '× 2 nodes broken · 65s so far · about 40s left · timeout in 8m55s',
      '███████████████××××××▒▒▒░░░░░░░  ▒ 8/10 updated  ▓ 5/10 available  █ 5/10 stable',
      '',
      '× node-3  log-agent-ode-3  42s  CrashLoopBackOff, 3 restarts',
      '× node-7  log-agent-ode-7  42s  ImagePullBackOff: not found',
      '○ node-8  log-agent-ode-8   3s  ContainerCreating',
      '5 nodes run it · 2 broken · 1 starting · 2 to be replaced',
      'Next: kubectl logs --namespace logging log-agent-ode-3 --container agent',
      '',
      '03:12:04  updated 4→8 of 10',
    ]);
  });

  test('in a narrow window', () => {
    expect(one(liveState([8, 5, 5, 10], [crash('node-3'), waiting('node-9')]), 40)).toEqual([
      'logging/log-agent  revision 3 → 4, rest…',
      'context prod-eu · https://10.0.0.1:6443',
      '',
      '× 1 node broken · 65s so far',
      'timeout in 8m55s',
      '████████████████████××××▒▒▒▒▒▒▒▒░░░░░░░░',
      '▒ 8/10 updated  ▓ 5/10 available',
      '█ 5/10 stable',
      '',
      '× node-3  42s  CrashLoopBackOff, 3 rest…',
      '5 nodes run it · 1 broken',
      '1 to be replaced',
      '',
      '03:12:04  updated 4→8 of 10',
    ]);
  });

  test('with more nodes than rows', () => {
    const lines = one(liveState([120, 60, 60, 200], [...names(40).map((name) => crash(name)), ...names(20).map(starting)]), 80, 16);
    expect(lines).toHaveLength(15);
    expect(lines[6]).toBe('× node-1  log-agent-ode-1  42s  CrashLoopBackOff, 3 restarts');
    expect(lines).toContain('… and 56 more: 36 CrashLoopBackOff, 20 ContainerCreating');
  });

  test('in a low window: its state and its bar come first', () => {
    const state = liveState([8, 5, 5, 10], [crash('node-3')]);
    expect(one(state, 80, 4)).toEqual([
      'logging/log-agent  revision 3 → 4, restores revision 2',
      '× 1 node broken · 65s so far · timeout in 8m55s',
      expect.stringContaining('8/10 updated'),
    ]);
    expect(one(state, 80, 2)).toEqual(['× 1 node broken · 65s so far · timeout in 8m55s']);
    expect(one(state, 80, 1)).toEqual([]);
  });

  const stable = (node: string, at: number): FailingNode => failingNode(node, 'not-stable', { reason: 'Started' }, { stableAt: NOW + at });
  test.each<[string, LiveRollout, RegExp]>([
    ['progressing', liveState([8, 7, 7, 10], [starting('node-8')]), /^▸ Progressing · 65s so far · timeout in 8m55s$/],
    ['idle', liveState([8, 7, 7, 10], [], { progressedAt: NOW - 45_000 }), /^! No progress for 45s · /],
    ['unread pods', liveState([0, 0, undefined, 10]), /^▸ Progressing/],
    ['counters complete, pods unread', liveState([10, 10, undefined, 10]), /^▸ Checking the pods/],
    [
      'not yet stable',
      liveState([10, 10, 9, 10], [stable('node-1', 7_000)], { leftMs: 7_000 }),
      /^▸ Checking stability · .* about 7s left/,
    ],
    ['no time left', liveState([8, 7, 7, 10], [], { deadline: NOW }), /the time is up/],
    ['complete', liveState([10, 10, 10, 10], [], { end: 'complete' }), /^✓ Complete · after 65s$/],
    ['complete without a node', liveState([10, 9, 9, 10], [crash('node-3')], { end: 'complete' }), /^✓ Complete, except for 1 node · /],
    ['failed', liveState([8, 5, 5, 10], [crash('node-3')], { end: 'failed' }), /^× Failed · after 65s$/],
    ['interrupted', liveState([8, 8, 8, 10], [], { end: 'cancelled' }), /^! No longer watched; the rollout continues · after 65s$/],
  ])('%s', (_name, state, expected) => {
    expect(one(state)[3]).toMatch(expected);
  });

  test('a bar is full only if every node is stable', () => {
    const bar = (state: LiveRollout): string => /^[█▓▒×░]+/.exec(one(state)[4] ?? '')?.[0] ?? '';
    expect(bar(liveState([500, 500, 499, 500]))).toMatch(/^█+▓$/);
    expect(bar(liveState([500, 500, 500, 500]))).toMatch(/^█+$/);
    expect(bar(liveState([0, 0, 0, 0]))).toMatch(/^█+$/);
    expect(bar(liveState([0, 0, undefined, 10]))).toMatch(/^░+$/);
  });
});

test('several rollouts: a line for each, the worst first', () => {
  const rollouts = [
    entry('kube-proxy', liveState([10, 10, 10, 10], [], { end: 'complete' }), 'kube-system'),
    entry('exporter', liveState([8, 8, 8, 10], [], { leftMs: 12_000 }), 'monitoring'),
    entry('csi-node', liveState([2, 2, 2, 10], [], { progressedAt: NOW - 61_000 }), 'storage'),
    entry('log-agent', liveState([8, 5, 5, 10], [crash('node-3')])),
  ];
  expect(view({ rollouts })).toEqual([
    '4 DaemonSets, 1 complete · 65s so far · timeout in 8m55s',
    'context prod-eu · https://10.0.0.1:6443',
    '',
    expect.stringMatching(/^× logging\/log-agent {7}█+×+▒+░+ {3}5\/10 {2}1 broken$/),
    expect.stringMatching(/^! storage\/csi-node {8}█+░+ {3}2\/10 {2}Idle 61s$/),
    expect.stringMatching(/^▸ monitoring\/exporter {5}█+░+ {3}8\/10 {2}Progressing, 12s left$/),
    expect.stringMatching(/^✓ kube-system\/kube-proxy {2}█+ {2}10\/10 {2}Complete$/),
    '',
    '× node-3  log-agent-ode-3  42s  CrashLoopBackOff, 3 restarts',
    'Next: kubectl logs --namespace logging log-agent-ode-3 --container agent',
  ]);
});

test('before a rollout, only the cluster and the log', () => {
  const events = Array.from({ length: 30 }, (_, index) => ({ clock: '03:12:04', line: `line ${index}` }));
  const lines = view({ events });
  expect(lines.slice(0, 2)).toEqual(['context prod-eu · https://10.0.0.1:6443', '']);
  expect(lines.at(-1)).toBe('03:12:04  line 29');
});

test('secrets are hidden before text is truncated', () => {
  const screen = {
    rollouts: [],
    events: [{ clock: '', line: `${'x'.repeat(30)}s3cr3t` }],
    hide: (text: string) => text.replace('s3cr3t', '***'),
  };
  expect(view(screen, 36).join()).not.toContain('s3c');
});

/** Text that a cluster or a person may have written, and that a terminal could take for commands or draw in another width. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        'node',
        '-',
        '表',
        '한',
        '👩‍👩‍👧',
        '🏳️‍🌈',
        '🇪🇺',
        '1️⃣',
        'e\u0301',
        '\x1b[2J',
        '\x1b]0;x\x07',
        '\x9b31m',
        '\r',
        '\n',
        '\t',
        '\u202e',
        '\ud800',
      ),
    )
    .map((parts) => parts.join('')),
);
const time = fc.integer({ min: 0, max: 3 * NOW });
const node: fc.Arbitrary<FailingNode> = fc
  .tuple(text, text, fc.constantFrom(...CAUSES), text, text, fc.integer({ min: 0, max: 99 }), time, fc.array(text, { maxLength: 2 }))
  .map(([name, pod, cause, reason, message, restarts, at, marks]) =>
    failingNode(name, cause, { reason, message, restarts }, { pod, marks, since: at, ...(restarts % 2 === 0 && { stableAt: at }) }),
  );
const count = fc.integer({ min: 0, max: 300 });
const state: fc.Arbitrary<LiveRollout> = fc
  .tuple(
    fc.tuple(count, count, fc.option(count, { nil: undefined }), count),
    fc.array(node, { maxLength: 30 }),
    text,
    time,
    time,
    fc.boolean(),
  )
  .map(([counts, failing, title, deadline, leftMs, isDone]) =>
    liveState(counts, failing, { title, deadline, leftMs, ...(isDone && { end: 'timeout' as const }) }),
  );
const screens: fc.Arbitrary<Screen> = fc.record({
  cluster: fc.option(fc.record({ server: text, context: text }), { nil: undefined }),
  rollouts: fc.array(
    fc.tuple(text, text, state).map(([namespace, name, its]) => entry(name, its, namespace)),
    { maxLength: 12 },
  ),
  events: fc.array(fc.record({ clock: fc.constant('03:12:04'), line: text }), { maxLength: 12 }),
});
const sizes = fc.record({ columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });

describe('any state', () => {
  test('fits into any window, and contains nothing that a terminal takes for a command', () => {
    fc.assert(
      fc.property(screens, sizes, (screen, size) => {
        const lines = liveLines(screen, size, PLAIN);
        expect(lines.length).toBeLessThanOrEqual(size.rows - 1);
        for (const line of lines) {
          expect(stringWidth(line)).toBeLessThanOrEqual(size.columns);
          expect(widthOf(line)).toBeLessThanOrEqual(size.columns);
          expect(line).not.toMatch(/\p{Cc}/u);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('is the same with colors, apart from them', () => {
    const mark = (letter: string) => (shown: string) => `\x1b[${letter}m${shown}\x1b[0m`;
    const colors: Style = { strong: mark('1'), faint: mark('2'), good: mark('32'), bad: mark('31'), busy: mark('33') };
    fc.assert(
      fc.property(screens, sizes, (screen, size) => {
        const plain = liveLines(screen, size, colors).map(stripVTControlCharacters);
        expect(plain).toEqual(liveLines(screen, size, PLAIN));
      }),
      { numRuns: 50 },
    );
  });
});

test.each<[string, number, string, string]>([
  ['log-agent-x7k2p', 15, 'log-agent-x7k2p', 'log-agent-x7k2p'],
  ['log-agent-x7k2p', 11, 'log-agent-…', 'log-a…x7k2p'],
  ['表表表表表', 6, '表表…', '表…表'],
  ['log-agent', 1, '…', '…'],
  ['log-agent', 0, '', ''],
])('%s in %d columns', (name, columns, text, middle) => {
  expect([fitText(name, columns), fitName(name, columns)]).toEqual([text, middle]);
});
