import { GOOD } from '../../src/daemonset/good-mark.ts';
import { TEMPLATE_GENERATION } from '../../src/daemonset/pods.ts';
import type { Conclusion, Facts, Result } from '../../src/daemonset/result.ts';
import { type History, historyOf, type Revision } from '../../src/daemonset/revision.ts';
import { type RollbackRecord, type Run, recordFor } from '../../src/daemonset/rollback-record.ts';
import type { ControllerRevision, DaemonSet, JsonObject, ObjectMeta, Pod, PodTemplate } from '../../src/daemonset/types.ts';

export function template(image: string, more: JsonObject = {}): PodTemplate {
  return { metadata: { labels: { app: 'agent' } }, spec: { containers: [{ name: 'agent', image, ...more }] } };
}

export function daemonSet(
  current: PodTemplate,
  changes: { status?: DaemonSet['status']; annotations?: Record<string, string>; type?: string; templateGeneration?: number } = {},
): DaemonSet {
  return {
    metadata: {
      name: 'agent',
      namespace: 'logging',
      uid: 'uid-1',
      resourceVersion: '10',
      generation: 3,
      annotations: {
        ...(changes.templateGeneration !== undefined && { [TEMPLATE_GENERATION]: String(changes.templateGeneration) }),
        ...changes.annotations,
      },
    },
    spec: { selector: { matchLabels: { app: 'agent' } }, template: current, updateStrategy: { type: changes.type ?? 'RollingUpdate' } },
    status: { observedGeneration: 3, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3, ...changes.status },
  };
}

export function controllerRevision(
  revision: number,
  stored: PodTemplate,
  changes: { name?: string; hash?: string; uid?: string; cause?: string; good?: string } = {},
): ControllerRevision {
  const name = changes.name ?? `agent-${revision}`;
  return {
    metadata: {
      name,
      namespace: 'logging',
      uid: `uid-${name}`,
      resourceVersion: '1',
      labels: { 'controller-revision-hash': changes.hash ?? name.replace('agent-', 'hash') },
      annotations: {
        ...(changes.cause !== undefined && { 'kubernetes.io/change-cause': changes.cause }),
        ...(changes.good !== undefined && { [GOOD]: changes.good }),
      },
      ownerReferences: [{ kind: 'DaemonSet', name: 'agent', uid: changes.uid ?? 'uid-1', controller: true }],
    },
    revision,
    data: { spec: { template: { $patch: 'replace', ...stored } } },
  };
}

/** The record of a rollback of `daemonSet()` from revision 3 to revision 2, when the template had been changed seven times. */
export function recordedAt({ restored, left, run }: { restored: PodTemplate; left: PodTemplate; run?: Run }): RollbackRecord {
  const of = daemonSet(left, { templateGeneration: 7 });
  const past = historyOf(of, [controllerRevision(2, restored), controllerRevision(3, left)]);
  const [from, target] = past.revisions as [Revision, Revision];
  return recordFor(of, past, { from, target }, { by: 'rollback', run, time: new Date(0) });
}

/** A pod of `daemonSet()`, of its generation 3 unless another is given. */
export function pod(
  status: Pod['status'] = {},
  changes: { name?: string; node?: string; generation?: string; hash?: string; metadata?: Partial<ObjectMeta>; spec?: JsonObject } = {},
): Pod {
  const {
    name = 'agent-x',
    node = 'node-1',
    generation = '3',
    hash = `hash${generation}`,
    metadata = {},
    spec = { nodeName: node },
  } = changes;
  return {
    metadata: {
      name,
      namespace: 'logging',
      uid: name,
      resourceVersion: '1',
      creationTimestamp: '1970-01-01T00:00:00Z',
      labels: { 'pod-template-generation': generation, 'controller-revision-hash': hash },
      ownerReferences: [{ kind: 'DaemonSet', name: 'agent', uid: 'uid-1', controller: true }],
      ...metadata,
    },
    spec,
    status,
  };
}

/** A result of `daemonSet()` with that conclusion, after its history was read. */
export function resultWith(conclusion: Conclusion, history?: History, more: Partial<Result> = {}): Result {
  return {
    daemonSet: { namespace: 'logging', name: 'agent' },
    changed: false,
    notes: [],
    ...conclusion,
    ...(history && { history: { before: history.revisions, asOf: 0 } }),
    ...more,
  };
}

/** The facts of a result whose message is this text. */
export function factsWith(message: string): Facts {
  return { kind: 'cluster-error', message, written: false };
}
