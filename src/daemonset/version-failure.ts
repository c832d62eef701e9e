/** What shows that a version is broken, and not a node, the environment or a moment: pure. Times on the clock of the wait. */
import type { Diagnosis, FailingNode } from './diagnosis.ts';
import { type Patience, stuckOf } from './patience.ts';
import { type Cause, type Certainty, isCrash, MANY_CRASHES, mayBeUnrecoverable, pullFailureOf, recoveryMs } from './pod-failure.ts';

/** Pods that crash on so many nodes are a crash loop of the version, although each has crashed only twice so far. */
const MANY_NODES = 3;
/** On so many of them, a start after the kubelet's delay must have failed too. */
const NODES_AGAIN = 2;

/** The controller has replaced all pods that it may within this time. */
const SETTLED_MS = 1_000;

/** Why a version fails, or why something else does. */
export type Fault =
  /** The version, on so many nodes. */
  | { kind: 'version'; nodes: number }
  /** Only one of the nodes that have the version, or only so many as are tolerated. */
  | { kind: 'one-node'; updated: number }
  | { kind: 'tolerated'; nodes: number }
  /** Only nodes on which the pod before was not available either. */
  | { kind: 'broken-before'; nodes: string[] }
  /** The environment, which may recover: a registry that is away, a volume, capacity. */
  | { kind: 'may-recover' }
  /** Pods of other versions crash too. */
  | { kind: 'others-crash' }
  /** Something else, such as an old pod that does not terminate. */
  | { kind: 'other' };

/**
 * What ends a wait while other nodes are on their way: a node whose pod cannot start; what justifies a rollback, and nothing less; or only
 * that the version runs on no node, because nothing follows that could be too late.
 */
export type FailsFor = 'a-node' | 'a-rollback' | 'all-nodes';

/** Pods that crashed at least twice each, on three nodes or on all that were updated so far. Empty if that is not so. */
export function crashLoop(diagnosis: Diagnosis, tolerated: number): FailingNode[] {
  const crashing = diagnosis.crashing.filter(isDecisive);
  const isWide = crashing.length >= MANY_NODES || crashing.length >= updatedOf(diagnosis);
  return isWide && crashing.length > tolerated ? crashing : [];
}

/** How long nothing must have progressed before a verdict about few nodes. */
export function settlingMs(graceMs: number): number {
  return Math.max(graceMs, SETTLED_MS);
}

/** The nodes because of which the rollout has failed; none if it has not. */
export function failingNodes(
  diagnosis: Diagnosis,
  failsFor: FailsFor,
  patience: Patience,
  { now, idle }: { now: number; idle: number },
): FailingNode[] {
  const { failing, updated, available } = diagnosis;
  const { graceMs, tolerated } = patience;
  const stuck = stuckOf(diagnosis, patience, now);
  const tooMany = (nodes: FailingNode[]): FailingNode[] => (nodes.length > tolerated ? nodes : []);
  const loop = crashLoop(diagnosis, tolerated);
  const mayChange = (one: FailingNode): boolean =>
    UNDERWAY.has(one.failure.cause) || (mayBeUnrecoverable(one.failure) && !one.isNew && !stuck.includes(one));
  const isSettled = idle >= settlingMs(graceMs) && !failing.some(mayChange);
  switch (failsFor) {
    case 'a-node': {
      const decisive = tooMany(stuck.filter(({ wasBroken }) => !wasBroken));
      if (loop.length > 0 || decisive.length > 0) return distinct([...loop, ...stuck]);
      return isSettled ? tooMany(stuck) : [];
    }
    case 'a-rollback': {
      const isVersion = (certainty: Certainty): boolean => faultOf(diagnosis, { ...patience, certainty }, now).kind === 'version';
      if (isVersion('for-rollback')) return distinct([...loop, ...stuck]);
      // What would be enough in a while is waited for.
      return isSettled && excusedUntil(diagnosis, patience) <= now && !isVersion('for-report') ? tooMany(stuck) : [];
    }
    case 'all-nodes':
      return isSettled || (available === 0 && stuck.length >= updated) ? tooMany(stuck) : [];
  }
}

/** Causes of nodes that may still become right. */
const UNDERWAY: ReadonlySet<Cause> = new Set<Cause>([
  'starting',
  'terminating',
  'no-pod',
  'min-ready-seconds',
  'not-stable',
  'not-ready',
  'evicted',
]);

/** Whether pods of the version show what may end the wait. */
export function mayFail({ failing, crashing }: Diagnosis): boolean {
  return crashing.length > 0 || failing.some(({ failure, since }) => since !== undefined && mayBeUnrecoverable(failure));
}

/** Whether the containers are unlikely to recover: they crashed a third time, or have been down since the grace period began. */
function hasLasted(crashing: readonly FailingNode[], { graceMs }: Patience, now: number): boolean {
  const lasting = crashing.filter(
    ({ failure, since = now }) => (failure.crashes ?? 0) >= MANY_CRASHES || (failure.runsSince === undefined && now - since >= graceMs),
  );
  return lasting.length >= Math.min(NODES_AGAIN, crashing.length);
}

/** Until when crashes of other versions' pods, the control group, show that it is not the version. */
export function excusedUntil({ othersCrashedAt }: Diagnosis, { graceMs }: Patience): number {
  return othersCrashedAt === undefined ? Number.NEGATIVE_INFINITY : othersCrashedAt + recoveryMs(graceMs);
}

/** The times at which the grace period of a crash loop ends, and at which crashes of other versions no longer excuse it. */
export function nextFaultAt(diagnosis: Diagnosis, patience: Patience): number[] {
  const { crashing } = diagnosis;
  const excused = excusedUntil(diagnosis, patience);
  return [...crashing.map(({ since = 0 }) => since + patience.graceMs), excused];
}

/**
 * Whether the version is at fault, so that another one would run: its own pods fail for good, on at least two nodes or on all that were
 * updated. Nodes that were broken before, that have problems of their own or that are tolerated do not count, and neither does a crash loop
 * while pods of other versions crash too.
 *
 * @param stalledForMs the rollout has made no progress for this long, and pods that have existed since and are not ready count as well.
 */
export function faultOf(diagnosis: Diagnosis, patience: Patience, now: number, stalledForMs?: number): Fault {
  const { tolerated } = patience;
  const loop = crashLoop(diagnosis, tolerated);
  const looping = loop.length > 0 && hasLasted(loop, patience, now) ? loop : [];
  const unready = stalledForMs === undefined ? [] : diagnosis.failing.filter((node) => isUnready(node, now - stalledForMs));
  const all = distinct([...looping, ...stuckOf(diagnosis, patience, now), ...unready]);
  const isExcused = excusedUntil(diagnosis, patience) > now;
  const failing = all.filter((node) => isDecisive(node) && !(isExcused && isCrash(node.failure)));
  const broken = all.filter(({ wasBroken }) => wasBroken);
  if (failing.length > tolerated) {
    const beyond = failing.length - tolerated;
    const isWide = beyond >= 2 || failing.length >= updatedOf(diagnosis);
    return isWide ? { kind: 'version', nodes: failing.length } : { kind: 'one-node', updated: diagnosis.updated };
  }
  if (failing.length > 0) return { kind: 'tolerated', nodes: failing.length };
  if (isExcused && all.some(({ failure }) => isCrash(failure))) return { kind: 'others-crash' };
  return broken.length > 0 ? { kind: 'broken-before', nodes: broken.map(({ node }) => node) } : { kind: 'other' };
}

/** Nodes that have the version and were available before. */
function updatedOf({ updated, failing }: Diagnosis): number {
  return updated - failing.filter(({ wasBroken, failure }) => wasBroken && !WITHOUT_VERSION.has(failure.cause)).length;
}

/** Causes on a node that does not have the version yet. */
const WITHOUT_VERSION: ReadonlySet<Cause> = new Set<Cause>(['not-replaced', 'old-pod-unavailable', 'terminating', 'no-pod']);

/** A pod that has run since then and is not ready, or of which an init container does. */
function isUnready({ failure, created, isNew }: FailingNode, then: number): boolean {
  const runs = failure.cause === 'not-ready' || (failure.cause === 'starting' && failure.container !== undefined);
  return runs && !isNew && (created ?? 0) <= then;
}

/** Causes for which it does not matter what the node is like. */
const ANYWHERE: ReadonlySet<Cause> = new Set<Cause>(['invalid-image', 'config-error', 'storage-limit', 'pod-rejected']);

function isDecisive({ isNew, wasBroken, marks, failure }: FailingNode): boolean {
  if (isNew || wasBroken) return false;
  const isAnywhere = ANYWHERE.has(failure.cause) || (failure.cause === 'image-pull' && pullFailureOf(failure.message) === 'not-found');
  return isAnywhere || !marks.some((mark) => mark.endsWith('Pressure') || mark === 'NetworkUnavailable');
}

/** Nodes, each once. */
export function distinct(nodes: readonly FailingNode[]): FailingNode[] {
  const seen = new Set<string>();
  return nodes.filter(({ node, pod }) => {
    const key = `${node} ${pod}`;
    if (node !== '' && seen.has(node)) return false;
    seen.add(node || key);
    return true;
  });
}
