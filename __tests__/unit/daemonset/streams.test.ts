/** Replays recorded rollouts (`npm run record`) as the wait sees them, with a simulated clock. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  type CauseGroup,
  diagnose,
  groupCauses,
  type SeenPod,
  seeNode,
  seePod,
  seeWarnings,
  stuckOf,
  withWarnings,
} from '../../../src/daemonset/diagnosis.ts';
import type { Cause } from '../../../src/daemonset/trouble.ts';
import type { DaemonSet, Event, Node, Pod } from '../../../src/daemonset/types.ts';
import { causeText } from '../../../src/report/messages/causes.ts';

const FOLDER = '__tests__/fixtures/streams';
/** The replay continues after the last line until this time, in milliseconds. */
const END = 60_000;
const TICK = 500;

type Line = { at: number; event: { type: string; object: Pod } } | { at: number; warnings: Event[] };

interface Stream {
  begun: number;
  desired: number;
  daemonSet: DaemonSet;
  nodes: Node[];
  lines: Line[];
}

function load(kind: string): Stream {
  const [header, ...lines] = readFileSync(`${FOLDER}/${kind}.jsonl`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  return { ...(header as Stream), lines: lines as Line[] };
}

const generationOf = ({ daemonSet }: Stream): string | undefined =>
  daemonSet.metadata.annotations?.['deprecated.daemonset.template.generation'];

interface Moment {
  at: number;
  stuck: number;
  groups: CauseGroup[];
}

/** The diagnosis after each line and at each tick of the clock. */
function replay(stream: Stream, grace: number): Moment[] {
  const { begun, desired, daemonSet, lines } = stream;
  const wanted = { generation: generationOf(stream), hash: undefined };
  const nodes = new Map(stream.nodes.map((node) => [node.metadata.name, seeNode(node)]));
  const pods = new Map<string, SeenPod>();
  const see = (line: Line, now: number): void => {
    if ('warnings' in line) {
      const warnings = seeWarnings(line.warnings);
      const about = (uid: string): typeof warnings => warnings.filter((warning) => warning.uid === uid);
      for (const [uid, pod] of pods) pods.set(uid, withWarnings(pod, about(uid), now));
      return;
    }
    const { type, object } = line.event;
    const { uid } = object.metadata;
    const seen = type === 'DELETED' ? undefined : seePod(pods.get(uid), object, daemonSet, wanted, now);
    if (seen) pods.set(uid, seen);
    else pods.delete(uid);
  };
  const ticks = Array.from({ length: END / TICK }, (_, index) => ({ at: (index + 1) * TICK, tick: true }));
  return [...lines, ...ticks]
    .sort((a, b) => a.at - b.at)
    .map((step) => {
      const now = begun + step.at;
      if (!('tick' in step)) see(step, now);
      const diagnosis = diagnose({ pods: pods.values(), nodes, rejected: undefined, desired, minReady: 0, start: begun }, now);
      const stuck = stuckOf(diagnosis, { grace, tolerated: 0 }, now);
      return { at: step.at, stuck: stuck.length, groups: groupCauses(diagnosis, stuck) };
    });
}

/** The earliest time at which the recorded text alone proves a pod unrecoverable: a sign of its failure and, for a crash, three restarts. */
function knowable(stream: Stream, sign: RegExp, crashes: boolean, grace: number): number {
  const first = new Map<string, number>();
  const third = new Map<string, number>();
  for (const line of stream.lines) {
    const note = (uid: string, text: string): void => {
      if (sign.test(text) && !first.has(uid)) first.set(uid, line.at);
      if (text.includes('"restartCount":3') && !third.has(uid)) third.set(uid, line.at);
    };
    if ('warnings' in line) for (const warning of line.warnings) note(warning.involvedObject.uid ?? '', JSON.stringify(warning));
    else if (line.event.object.metadata.labels?.['pod-template-generation'] === generationOf(stream))
      note(line.event.object.metadata.uid, JSON.stringify(line.event.object));
  }
  return Math.min(...[...first].map(([uid, at]) => Math.max(at + grace, crashes ? (third.get(uid) ?? Number.POSITIVE_INFINITY) : 0)));
}

/** The sentence about a group, without what differs between recordings. */
const sentenceOf = (group: CauseGroup | undefined): string =>
  (group ? causeText(group) : '').replace(/ \(node-\d+, node-\d+\)$/, '').replace(/\d+ restarts/, 'N restarts');

const unrecoverable: [kind: string, cause: Cause, sign: RegExp, crashes: boolean, sentence: string][] = [
  ['missing', 'image-pull', /"ErrImagePull"/, false, '2 pods cannot pull the image registry.example/agent:v2-missing: not found'],
  [
    'invalid-name',
    'invalid-image',
    /"InvalidImageName"/,
    false,
    '2 pods have an invalid image name: registry.example/agent:v2-invalid-name',
  ],
  [
    'config-error',
    'config-error',
    /"CreateContainerConfigError"/,
    false,
    '2 pods cannot configure container "agent": configmap "agent-config" not found',
  ],
  [
    'run-error',
    'start-error',
    /"RunContainerError"/,
    // A container that never started has not crashed.
    false,
    '2 pods cannot start container "agent" (exit code 128, CrashLoopBackOff): failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "agent": executable file not found in $PATH',
  ],
  ['crash', 'crash-loop', /"terminated"/, true, '2 pods crash: container "agent" exits after every start (exit code 1, N restarts)'],
  [
    'oom',
    'oom-killed',
    /"OOMKilled"/,
    true,
    '2 pods crash: container "agent" exceeds its memory limit (OOMKilled, exit code 137, N restarts)',
  ],
  [
    'unhealthy',
    'probe-failed',
    /"terminated"/,
    true,
    '2 pods are restarted repeatedly: the probe of container "agent" fails (N restarts): Liveness probe failed: HTTP probe failed with statuscode: 500',
  ],
  [
    'unmounted',
    'volume-mount',
    /"FailedMount"/,
    false,
    '2 pods wait for a volume: MountVolume.SetUp failed for volume "config" : configmap "agent-config" not found',
  ],
  [
    'unschedulable',
    'unschedulable',
    /"Unschedulable"/,
    false,
    expect.stringMatching(/^2 pods cannot be scheduled to their nodes: 0\/5 nodes are available: .*Insufficient cpu/) as never,
  ],
  [
    'init-crash',
    'crash-loop',
    /"terminated"/,
    true,
    '2 pods crash: init container "setup" exits after every start (exit code 1, N restarts)',
  ],
];

describe('a rollout that gets stuck', () => {
  test.each(unrecoverable)('%s is reported as %s as soon as it is certain, and not before', (kind, cause, sign, crashes, sentence) => {
    const stream = load(kind);
    for (const grace of [0, 5_000, 20_000]) {
      const moments = replay(stream, grace);
      const verdict = moments.find(({ stuck }) => stuck > 0)?.at ?? Number.POSITIVE_INFINITY;
      const known = knowable(stream, sign, crashes, grace);
      expect(verdict).toBeGreaterThanOrEqual(known);
      expect(verdict).toBeLessThanOrEqual(known + 1_000);
      const [worst, ...others] = moments.at(-1)?.groups ?? [];
      expect(worst).toMatchObject({ cause, stuck: true, nodes: [{}, {}] });
      expect(sentenceOf(worst)).toEqual(sentence);
      expect(others.map((group) => [group.cause, group.stuck, group.nodes.length])).toEqual([['not-replaced', false, 3]]);
    }
  });

  test('a pod that waits for a volume is reported, however often the kubelet updates its status', () => {
    const stream = load('unmounted');
    const reads = stream.lines
      .filter((line) => 'warnings' in line)
      .flatMap((line) => [5_000, 15_000, 35_000].map((at) => ({ ...line, at })));
    const lines = [...stream.lines.filter((line) => 'event' in line), ...reads];
    const verdict = replay({ ...stream, lines }, 30_000).find(({ stuck }) => stuck > 0)?.at ?? Number.POSITIVE_INFINITY;
    expect(verdict).toBeLessThanOrEqual(36_000);
  });
});

describe('a rollout that recovers', () => {
  test.each(['flaky', 'flaky-pull', 'cache-sync', 'slow'])('%s is never reported as stuck, and ends with every node healthy', (kind) => {
    const moments = replay(load(kind), 5_000);
    expect(moments.filter(({ stuck }) => stuck > 0)).toEqual([]);
    expect(moments.at(-1)?.groups).toEqual([]);
  });
});

test('a container that hangs is not-ready and never stuck, since it may still become ready', () => {
  const moments = replay(load('hang'), 0);
  expect(moments.filter(({ stuck }) => stuck > 0)).toEqual([]);
  const [worst] = moments.at(-1)?.groups ?? [];
  expect(worst).toMatchObject({ cause: 'not-ready', nodes: [{}, {}] });
  expect(worst && causeText(worst)).toMatch(
    /^2 pods run but are not ready: containers with unready status: \[agent\] \(node-\d, node-\d\)$/,
  );
});

test('every recorded stream is replayed', () => {
  const kinds = [...unrecoverable.map(([kind]) => kind), 'flaky', 'flaky-pull', 'cache-sync', 'slow', 'hang'];
  expect(readdirSync(FOLDER).sort()).toEqual(kinds.map((kind) => `${kind}.jsonl`).sort());
});
