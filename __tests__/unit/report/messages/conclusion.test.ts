import { describe, expect, test } from '@jest/globals';
import type { Hold } from '../../../../src/daemonset/hold.ts';
import type { Facts, Result, UnfinishedRollout } from '../../../../src/daemonset/result.ts';
import { historyOf } from '../../../../src/daemonset/revision.ts';
import { messageOf } from '../../../../src/report/messages/conclusion.ts';
import { decisionText } from '../../../../src/report/messages/rollout.ts';
import { controllerRevision, daemonSet, resultWith, template } from '../../../helpers/builders.ts';

const history = historyOf(daemonSet(template('agent:v2')), [
  controllerRevision(1, template('agent:v1'), { cause: 'deploy v1' }),
  controllerRevision(2, template('agent:v2'), { cause: 'deploy v2' }),
]);
const [current, older] = history.revisions as [NonNullable<Result['old']>, NonNullable<Result['old']>];
const named = { kind: 'name', name: 'agent-9' } as const;
const unfinished = (end: UnfinishedRollout): Facts => ({ kind: 'unfinished-rollout', end, version: 'restored' });

const holds: Hold[] = [
  {},
  { time: '2026-01-01T00:00:00Z' },
  { time: '2026-01-01T00:00:00Z', run: 'https://github.example/o/r/actions/runs/7', reason: 'Logs are lost' },
];

/** Facts of every kind; the compiler holds that none is missing. */
const ALL: { [K in Facts['kind']]: Extract<Facts, { kind: K }>[] } = {
  restored: [{ kind: 'restored' }],
  'restored-not-waited': [{ kind: 'restored-not-waited' }],
  'already-current': [{ kind: 'already-current' }],
  'dry-run': [
    { kind: 'dry-run', validated: true },
    { kind: 'dry-run', validated: false },
    { kind: 'dry-run', validated: true, holds: true },
  ],
  'dry-run-of-resumed': [{ kind: 'dry-run-of-resumed', time: '2026-01-01T00:00:00Z' }],
  'write-unknown': [{ kind: 'write-unknown', why: 'no answer in time' }],
  'write-undone': [{ kind: 'write-undone' }],
  'rolled-out': [{ kind: 'rolled-out' }],
  'unfinished-rollout': [
    ...(['on-delete', 'not-waited', 'failed', 'stalled', 'superseded', 'deleted', 'recreated', 'timeout', 'cancelled'] as const).map(
      unfinished,
    ),
    { kind: 'unfinished-rollout', end: 'stalled', version: 'deployed', misreported: ['agent-a', 'agent-b'] },
    { kind: 'unfinished-rollout', end: 'superseded', version: 'deployed', writer: 'kubectl-set at 2026-01-01T00:00:00Z' },
  ] as Extract<Facts, { kind: 'unfinished-rollout' }>[],
  'no-nodes': [
    { kind: 'no-nodes', before: older, nodes: ['node-1', 'node-2'], template: template('agent:v2') },
    { kind: 'no-nodes', before: older, nodes: undefined, template: { spec: { nodeSelector: { gpu: 'yes' } } } },
  ],
  'not-observed': [{ kind: 'not-observed' }],
  'not-recorded': [{ kind: 'not-recorded' }],
  'being-deleted': [{ kind: 'being-deleted' }],
  'nothing-previous': (['only-revision', 'same-version', 'same-to-server', 'rolled-back'] as const).map((why) => ({
    kind: 'nothing-previous',
    why,
  })),
  'nothing-known-good': (['none-ready', 'pods-unknown', 'same-to-server'] as const).map((why) => ({ kind: 'nothing-known-good', why })),
  'revision-not-found': [{ kind: 'revision-not-found', asked: { kind: 'number', number: 9 } }],
  'ambiguous-revision': [{ kind: 'ambiguous-revision', asked: { kind: 'number', number: 1 }, names: ['agent-a', 'agent-b'] }],
  'unexpected-revision': [
    { kind: 'unexpected-revision', expected: named, current },
    { kind: 'unexpected-revision', expected: named, current: undefined },
  ],
  'already-rolled-back': [
    {
      kind: 'already-rolled-back',
      asked: { kind: 'previous' },
      time: '2026-01-01T00:00:00Z',
      run: '7',
      repository: 'o/r',
      current,
      restored: 1,
      left: older,
      older,
    },
    {
      kind: 'already-rolled-back',
      asked: { kind: 'last-good' },
      time: '2026-01-01T00:00:00Z',
      run: undefined,
      repository: undefined,
      current,
      restored: 1,
      left: undefined,
      older: undefined,
    },
  ],
  'newer-change': [{ kind: 'newer-change', time: '2026-01-01T00:00:00Z', left: 1, current }],
  'rolled-back-by-run': (['gate', 'guard'] as const).flatMap((by) =>
    [current, undefined].map((now) => ({
      kind: 'rolled-back-by-run',
      time: '2026-01-01T00:00:00Z',
      by,
      left: { revision: 1, name: 'agent-1', digest: '' },
      current: now,
    })),
  ),
  'only-checksum': [
    { kind: 'only-checksum', asked: { kind: 'previous' }, candidate: current, older },
    { kind: 'only-checksum', asked: { kind: 'last-good' }, candidate: current, older: undefined },
  ],
  'would-not-start': [
    {
      kind: 'would-not-start',
      target: current,
      obstacles: [{ kind: 'missing-object', object: { kind: 'ConfigMap', name: 'app' } }],
      startable: older,
    },
    {
      kind: 'would-not-start',
      target: current,
      obstacles: [
        { kind: 'missing-keys', object: { kind: 'ConfigMap', name: 'app' }, keys: ['a', 'b'] },
        { kind: 'denied', denial: { by: 'pod-security', message: 'violates PodSecurity "restricted:latest"' } },
      ],
      startable: undefined,
    },
  ],
  held: holds.map((hold) => ({ kind: 'held', hold })),
  'hold-rejected': ([{ kind: 'no-room' }, { kind: 'removed' }, { kind: 'rejected', message: 'The policy says no.' }] as const).map(
    (why) => ({
      kind: 'hold-rejected',
      why,
    }),
  ),
  released: holds.map((hold) => ({ kind: 'released', hold })),
  'dry-run-of-release': holds.map((hold) => ({ kind: 'dry-run-of-release', hold })),
  'not-held': [{ kind: 'not-held' }],
  'release-unknown': [{ kind: 'release-unknown', why: 'no answer in time' }],
  'another-refused': [{ kind: 'another-refused', others: [{ name: { namespace: 'a', name: 'b' }, reason: 'no-previous-revision' }] }],
  recorded: [{ kind: 'recorded' }],
  absent: [{ kind: 'absent', message: 'There is no DaemonSet "agent".' }],
  'record-lost': (['gone', 'changed', 'not-ours', 'other-job', 'other-cluster'] as const).map((why) => ({ kind: 'record-lost', why })),
  'record-not-saved': [{ kind: 'record-not-saved', why: 'permission denied' }],
  'left-after-cancel': [{ kind: 'left-after-cancel' }],
  recreated: [{ kind: 'recreated' }],
  'not-deployed': [{ kind: 'not-deployed' }],
  'seen-complete': [{ kind: 'seen-complete', current }],
  'chosen-by-job': [{ kind: 'chosen-by-job', current }],
  'not-changed': [
    { kind: 'not-changed', recorded: older, fields: [] },
    { kind: 'not-changed', recorded: older, fields: ['updateStrategy', 'minReadySeconds'] },
  ],
  'only-restarted': [{ kind: 'only-restarted', recorded: older, fields: [] }],
  'ambiguous-change': [
    { kind: 'ambiguous-change', changes: 2, expected: named, isLater: false, current },
    { kind: 'ambiguous-change', changes: undefined, expected: undefined, isLater: false, current },
    { kind: 'ambiguous-change', changes: 1, expected: undefined, isLater: true, current },
  ],
  'deleted-since': [{ kind: 'deleted-since', recorded: older }],
  'still-absent': [{ kind: 'still-absent' }],
  'created-by-job': [{ kind: 'created-by-job' }],
  listed: [{ kind: 'listed' }],
  'invalid-input': [{ kind: 'invalid-input', mistakes: ['Input timeout: "soon" is not a duration.', 'Input wait: "yes" is neither.'] }],
  interrupted: [
    { kind: 'interrupted', by: 'timeout', written: true },
    { kind: 'interrupted', by: 'cancelled', written: false },
  ],
  'cluster-error': [
    { kind: 'cluster-error', message: 'Could not reach the API server.', written: true },
    { kind: 'cluster-error', message: 'Could not reach the API server.', written: false },
  ],
  declined: [{ kind: 'declined' }],
  bug: [{ kind: 'bug', detail: 'x is not a function', written: false }],
};

const counts = { desired: 10, updated: 5, available: 4 };
const full: Partial<Result> = { old: current, target: older, newRevision: 3, counts };

describe('every message', () => {
  const cases = Object.values(ALL)
    .flat()
    .map((facts): [string, Facts] => [JSON.stringify(facts).slice(0, 100), facts]);

  test.each(cases)('is a line of whole sentences, whatever is known: %s', (_, facts) => {
    for (const more of [full, {}]) {
      const text = messageOf(resultWith({ outcome: 'error', reason: 'internal', facts }, history, more));
      expect(text).toMatch(/^[A-Z]|^\d+ revisions/);
      expect(text).not.toMatch(/undefined|NaN|\[object| {2}|\n|\.\.|: :/);
      expect(text.trim()).toBe(text);
    }
  });

  test('about a rollback that was written says that it continues', () => {
    const [written, not] = ALL['cluster-error'].map((facts) => messageOf(resultWith({ outcome: 'error', reason: 'unreachable', facts })));
    expect(written).toBe('Could not reach the API server. The rollback was written and continues in the cluster.');
    expect(not).toBe('Could not reach the API server.');
  });
});

describe('a guard that could not restore what it recorded', () => {
  const recorded = { number: 1, name: 'agent-1' };

  test.each<[Result['outcome'], Facts, boolean]>([
    ['error', { kind: 'cluster-error', message: 'Could not reach the API server.', written: false }, true],
    ['timed-out', unfinished('timeout'), true],
    ['failed', unfinished('failed'), true],
    ['refused', { kind: 'not-observed' }, true],
    ['cancelled', { kind: 'left-after-cancel' }, true],
    ['superseded', { kind: 'ambiguous-change', changes: 2, expected: undefined, isLater: false, current }, true],
    ['refused', { kind: 'recreated' }, false],
    ['deleted', { kind: 'deleted-since', recorded }, false],
    ['rolled-back', { kind: 'restored' }, false],
    ['unchanged', { kind: 'not-changed', recorded, fields: [] }, false],
  ])('names the revision and the command, unless there is nothing to restore: %s, %j', (outcome, facts, names) => {
    const text = messageOf(resultWith({ outcome, reason: 'internal', facts }, history, { ...full, recorded }));
    const command = 'kubectl rollout undo daemonset/agent -n logging --to-revision=1';
    expect(text.endsWith(`roll back with to-revision: agent-1, or: ${command}`)).toBe(names);
  });
});

describe('a gate that rolls back', () => {
  const gate = resultWith({ outcome: 'failed', reason: 'crash-loop', facts: unfinished('failed') }, history, full);
  const because = { rollBack: true, because: 'version-fails', nodes: 2 } as const;
  const textOf = (back?: Partial<Result>): string =>
    messageOf({
      ...gate,
      rollback: {
        decision: because,
        gate,
        ...(back && {
          result: resultWith({ outcome: 'rolled-back', reason: 'complete', facts: { kind: 'restored' } }, history, { ...full, ...back }),
        }),
      },
    });

  test.each<[string, Partial<Result> | undefined, RegExp]>([
    ['succeeded', {}, /It was rolled back\. Revision 2 → 3, which restores revision 1\. Every node runs that version now\.$/],
    ['is not complete', { outcome: 'pending' }, /It was rolled back\. Revision 2 → 3, which restores revision 1\.$/],
    [
      'did not succeed',
      { outcome: 'timed-out', reason: 'timeout', changed: true },
      /The rollback was written, but is not complete \(timed-out, timeout\)\. Revision 2 → 3, which restores revision 1\. /,
    ],
    [
      'left out nodes that were tolerated',
      { notes: [{ kind: 'tolerated', causes: [] }] },
      /It was rolled back\. Revision 2 → 3, which restores revision 1\. Not every node runs the version\. Tolerated, [^.]*\.$/,
    ],
    [
      'may have been written',
      { outcome: 'error', reason: 'unreachable', changed: true, facts: { kind: 'write-unknown', why: 'gone' } },
      /\. It is not known whether the rollback was written \(gone\)\. To check: /,
    ],
    ['was refused', { outcome: 'refused', reason: 'no-known-good' }, /It could not be rolled back \(refused, no-known-good\): /],
    ['was not tried', undefined, /Rolling back, because the version does not run on 2 nodes\.$/],
  ])('says what failed, then how the rollback ended: it %s', (_, back, expected) => {
    expect(textOf(back)).toMatch(/^Pods of the restored version cannot start\. /);
    expect(textOf(back)).toMatch(expected);
  });

  test('says why it does not roll back', () => {
    expect(decisionText({ rollBack: false, because: { kind: 'other' } })).toBe(
      'It was not rolled back: the rollout is blocked by something other than this version, so a rollback would not help.',
    );
  });
});
