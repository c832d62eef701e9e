/** Replays rollouts that were recorded on real nodes (`npm run record`), as the wait sees them, with a simulated clock. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { type CauseGroup, groupCauses } from '../../../src/daemonset/cause-groups.ts';
import { diagnose } from '../../../src/daemonset/diagnosis.ts';
import { stuckOf } from '../../../src/daemonset/patience.ts';
import { seeEvents } from '../../../src/daemonset/pod-events.ts';
import { type Cause, graceMsOf } from '../../../src/daemonset/pod-failure.ts';
import { watchedPod } from '../../../src/daemonset/pods.ts';
import { seeNode } from '../../../src/daemonset/seen-node.ts';
import { SeenPods } from '../../../src/daemonset/seen-pods.ts';
import type { DaemonSet, Event, Node, Pod } from '../../../src/daemonset/types.ts';
import { causeText } from '../../../src/report/messages/causes.ts';

const FOLDER = '__tests__/fixtures/streams';
/** The replay continues after the last line until this time, in milliseconds. */
const END = 200_000;
const TICK = 500;

interface Change {
  at: number;
  event: { type: string; object: Pod };
}

interface Stream {
  begun: number;
  desired: number;
  daemonSet: DaemonSet;
  nodes: Node[];
  changes: Change[];
  events: Event[];
}

function load(kind: string): Stream {
  const [header, ...lines] = readFileSync(`${FOLDER}/${kind}.jsonl`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  const { events } = lines.pop() as { events: Event[] };
  return { ...(header as Stream), changes: lines as Change[], events };
}

const generationOf = ({ daemonSet }: Stream): string | undefined =>
  daemonSet.metadata.annotations?.['deprecated.daemonset.template.generation'];

/** The hash of the pods of the generation: the recordings contain no ControllerRevisions. */
const hashesOf = (stream: Stream): Set<string> =>
  new Set(
    stream.changes
      .map(({ event: { object } }) => object.metadata.labels ?? {})
      .filter((labels) => labels['pod-template-generation'] === generationOf(stream))
      .map((labels) => labels['controller-revision-hash'] ?? ''),
  );

interface Moment {
  at: number;
  stuck: number;
  groups: CauseGroup[];
}

/** When events are known at the latest, in milliseconds after they were created: they are read from time to time. */
const EVENTS_AGE = 5_000;

/** The diagnosis after each change and at each tick of the clock. */
function replay(stream: Stream, graceMs: number, minReadyMs = 0): Moment[] {
  const { begun, desired, daemonSet, changes } = stream;
  const nodes = new Map(stream.nodes.map((node) => [node.metadata.name, seeNode(node, {})]));
  const pods = new SeenPods(daemonSet, { generation: generationOf(stream), hashes: hashesOf(stream) });
  const known = (now: number): Event[] =>
    stream.events.filter(({ metadata }) => Date.parse(metadata.creationTimestamp ?? '') + EVENTS_AGE <= now);
  let rejectedSince: number | undefined;
  const ticks = Array.from({ length: END / TICK }, (_, index) => ({ at: (index + 1) * TICK, event: undefined }));
  return [...changes, ...ticks]
    .sort((a, b) => a.at - b.at)
    .map(({ at, event }) => {
      const now = begun + at;
      if (event?.type === 'DELETED') pods.remove(event.object.metadata.uid);
      else if (event) pods.see(watchedPod(event.object, {}), { now, isClusterTime: true, begun });
      else pods.explain(seeEvents(known(now)), now);
      const rejection = seeEvents(known(now)).findLast(({ reason }) => reason === 'FailedCreate');
      rejectedSince ??= rejection && now;
      const rejected = rejection && { message: rejection.message, since: rejectedSince ?? now };
      const { present, ended } = pods;
      const diagnosis = diagnose(
        {
          ...{ pods: present, ended, nodes, rejected, undeletable: '', desired, minReadyMs, stableForMs: 0, start: begun },
          ...{ brokenBefore: new Set(), othersCrashedAt: undefined },
        },
        now,
      );
      const stuck = stuckOf(diagnosis, { graceMs, tolerated: 0 }, now);
      return { at, stuck: stuck.length, groups: groupCauses(diagnosis.failing, stuck) };
    });
}

/** The sentence about a group, without what differs between recordings. */
const sentenceOf = (group: CauseGroup): string =>
  causeText(group)
    .replace(/ \(real-\d(, real-\d)*\)$/, '')
    .replace(/\d+ restarts?/, 'N restarts')
    .replace(/^\d pods? /, 'N pods ')
    .replace(/10\.\d+\.\d+\.\d+/g, 'ADDRESS')
    .replace(/(agent-)\w{5}\b/g, '$1POD')
    .replace(/[0-9a-f]{64}/g, 'ID');

/** A pod crashed for the third time: it was restarted so often, or has ended after two restarts. */
const isThirdCrash = ({ status }: Pod): boolean =>
  [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].some(
    ({ restartCount = 0, state }) => restartCount > 2 || (restartCount === 2 && !state?.running),
  );

/**
 * The earliest time at which the recorded text alone proves a pod unrecoverable: a sign of its failure and, for a crash, the third one. Pods
 * that are evicted are replaced: for them it is the second one on a node.
 */
function knowable(stream: Stream, sign: RegExp, repeats: Repeats | undefined, graceMs: number): number {
  const first = new Map<string, number>();
  const enough = new Map<string, number>();
  const isOn = new Map<string, string>();
  const note = (key: string, at: number, text: string): void => {
    if (sign.test(text) && !first.has(key)) first.set(key, at);
  };
  for (const { at, event } of stream.changes) {
    const { metadata, spec } = event.object;
    if (metadata.labels?.['pod-template-generation'] !== generationOf(stream)) continue;
    const { phase = '' } = event.object.status ?? {};
    if (repeats === 'evictions') {
      const node = String(spec?.['nodeName']);
      if (phase !== 'Failed' && phase !== 'Succeeded') continue;
      if (!first.has(node)) first.set(node, at);
      else if (isOn.get(node) !== metadata.uid && !enough.has(node)) enough.set(node, at);
      isOn.set(node, metadata.uid);
      continue;
    }
    note(metadata.uid, at, JSON.stringify(event.object));
    if (isThirdCrash(event.object) && !enough.has(metadata.uid)) enough.set(metadata.uid, at);
  }
  if (repeats !== 'evictions')
    for (const event of stream.events)
      note(event.involvedObject.uid ?? '', Date.parse(event.metadata.creationTimestamp ?? '') - stream.begun, JSON.stringify(event));
  return Math.min(...[...first].map(([key, at]) => Math.max(at + graceMs, repeats ? (enough.get(key) ?? Number.POSITIVE_INFINITY) : 0)));
}

/** What has to happen several times before a verdict. */
type Repeats = 'crashes' | 'evictions';

const crash = (container: string, how: string): string => `N pods crash: ${container} exits after every start (${how}, N restarts)`;

const unrecoverable: Record<string, [cause: Cause, sign: RegExp, sentence: string | RegExp, repeats?: Repeats]> = {
  'config-map-missing': [
    'config-error',
    /"CreateContainerConfigError"/,
    'N pods cannot configure container "agent": configmap "agent-config" not found',
  ],
  crash: ['crash-loop', /"terminated"/, crash('container "agent"', 'exit code 1'), 'crashes'],
  'crash-fallback': [
    'crash-loop',
    /"terminated"/,
    /^N pods crash: container "agent" exits after every start \(exit code 1, N restarts\): level=info .*cannot open the log directory/s,
    'crashes',
  ],
  evicted: [
    'storage-limit',
    /"Evicted"/,
    'N pods are evicted repeatedly for exceeding their own storage limit: Pod ephemeral local storage usage exceeds the total limit of containers 1Mi.',
    'evictions',
  ],
  'exit-0': [
    'crash-loop',
    /"terminated"/,
    'N pods have to be restarted: container "agent" completes after every start (exit code 0, N restarts), but must continue to run',
    'crashes',
  ],
  'init-crash': ['crash-loop', /"terminated"/, crash('init container "setup"', 'exit code 4'), 'crashes'],
  'mount-secret': [
    'volume-mount',
    /"FailedMount"/,
    'N pods wait for a volume: MountVolume.SetUp failed for volume "data" : secret "agent-tls" not found',
  ],
  oom: [
    'oom-killed',
    /"OOMKilled"/,
    'N pods crash: container "agent" exceeds its memory limit (OOMKilled, exit code 137, N restarts)',
    'crashes',
  ],
  'oom-tiny': [
    'pod-sandbox',
    /"FailedCreatePodSandBox"/,
    /^N pods cannot start, because the node cannot create the pod sandbox: Failed to create pod sandbox: /,
  ],
  'post-start': ['start-error', /"PostStartHookError"/, /^N pods cannot start container "agent" \(PostStartHookError\): /, 'crashes'],
  'pull-invalid-name': ['invalid-image', /"InvalidImageName"/, 'N pods have an invalid image name: Registry.Example/Agent:V2'],
  'pull-missing': ['image-pull', /"ErrImagePull"/, 'N pods cannot pull the image registry.example/agent:v2-missing: not found'],
  'pull-secret': [
    'image-pull',
    /"ErrImagePull"/,
    'N pods cannot pull the image registry.example/agent:v2-private: access denied; the image pull secret registry could not be read',
  ],
  quota: [
    'pod-rejected',
    /"FailedCreate"/,
    'N pods cannot be created: Error creating: pods "agent-POD" is forbidden: exceeded quota: small, requested: limits.memory=64Mi,pods=1, used: limits.memory=0,pods=1, limited: limits.memory=32Mi,pods=0',
  ],
  'run-error': [
    'start-error',
    /"RunContainerError"/,
    `N pods cannot start container "agent" (RunContainerError): exec: "/no-such-program": stat /no-such-program: no such file or directory`,
  ],
  'runtime-handler': [
    'pod-sandbox',
    /"FailedCreatePodSandBox"/,
    'N pods cannot start, because the node cannot create the pod sandbox: Failed to create pod sandbox: unable to get OCI runtime for sandbox "ID": no runtime for "nonesuch" is configured',
  ],
  'sidecar-crash': ['crash-loop', /"terminated"/, crash('sidecar container "setup"', 'exit code 4'), 'crashes'],
  sysctl: [
    'pod-rejected',
    /"SysctlForbidden"/,
    'N pods cannot be created: Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
  ],
  'two-containers': ['crash-loop', /"terminated"/, crash('container "exporter"', 'exit code 1'), 'crashes'],
  unhealthy: [
    'probe-failed',
    /"terminated"/,
    'N pods are restarted repeatedly: the probe of container "agent" fails (N restarts): Liveness probe failed: HTTP probe failed with statuscode: 500',
    'crashes',
  ],
  'unhealthy-startup': [
    'probe-failed',
    /"terminated"/,
    /^N pods are restarted repeatedly: the probe of container "agent" fails \(N restarts\): Startup probe failed: .*connection refused$/,
    'crashes',
  ],
  'unschedulable-cpu': [
    'unschedulable',
    /"Unschedulable"/,
    /^N pods cannot be scheduled to their nodes: 0\/3 nodes are available: .*Insufficient cpu/,
  ],
};

/** A version is available before it has crashed for the first time, unless its pods must be ready for longer. */
const MIN_READY = 15_000;

describe('a rollout that gets stuck', () => {
  test.each(Object.keys(unrecoverable))('%s is reported as soon as it is certain, and not before', (kind) => {
    const [cause, sign, sentence, repeats] = unrecoverable[kind] as (typeof unrecoverable)[string];
    const stream = load(kind);
    for (const graceMs of [0, 5_000, 20_000]) {
      const moments = replay(stream, graceMs, MIN_READY);
      const verdict = moments.find(({ stuck }) => stuck > 0)?.at ?? Number.POSITIVE_INFINITY;
      const known = knowable(stream, sign, repeats, graceMsOf({ cause }, graceMs));
      expect(verdict).toBeGreaterThanOrEqual(known);
      expect(verdict).toBeLessThanOrEqual(known + EVENTS_AGE + 2_000);
      const groups = moments.findLast(({ stuck }) => stuck > 0)?.groups ?? [];
      expect(groups[0]).toMatchObject({ cause, stuck: true });
      const said = sentenceOf(groups[0] as CauseGroup);
      if (typeof sentence === 'string') expect(said).toBe(sentence);
      else expect(said).toMatch(sentence);
      expect(groups.slice(1).filter(({ stuck }) => stuck)).toEqual([]);
    }
  });
});

describe('a rollout that recovers', () => {
  test.each(['flaky', 'healthy', 'pull-flaky'])('%s is never reported as stuck, and ends with every node healthy', (kind) => {
    const moments = replay(load(kind), 20_000);
    expect(moments.filter(({ stuck }) => stuck > 0)).toEqual([]);
    expect(moments.at(-1)?.groups).toEqual([]);
  });
});

describe('a rollout that may still recover', () => {
  const unfinished: Record<string, [cause: Cause, sentence: string]> = {
    'init-hang': ['starting', 'N pods are still starting: init container "setup" has not completed'],
    'sidecar-unstarted': ['starting', 'N pods are still starting: sidecar container "setup" has not started'],
    unready: ['not-ready', 'N pods run but are not ready: Readiness probe failed: HTTP probe failed with statuscode: 503'],
    'unready-exec': ['not-ready', 'N pods run but are not ready: Readiness probe failed: not connected to the log store'],
    'unready-gate': [
      'not-ready',
      'N pods run but are not ready: corresponding condition of pod readiness gate "example.com/registered" does not exist.',
    ],
  };
  test.each(Object.keys(unfinished))('%s is never reported as stuck', (kind) => {
    const [cause, sentence] = unfinished[kind] as (typeof unfinished)[string];
    const moments = replay(load(kind), 0);
    expect(moments.filter(({ stuck }) => stuck > 0)).toEqual([]);
    const [worst] = moments.at(-1)?.groups ?? [];
    expect(worst?.cause).toBe(cause);
    expect(worst && sentenceOf(worst)).toBe(sentence);
  });

  test('every recorded stream is replayed', () => {
    const kinds = [...Object.keys(unrecoverable), 'flaky', 'healthy', 'pull-flaky', ...Object.keys(unfinished)];
    expect(readdirSync(FOLDER).sort()).toEqual(kinds.map((kind) => `${kind}.jsonl`).sort());
  });
});
