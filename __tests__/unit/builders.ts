import { GOOD } from '../../src/daemonset/mark.ts';
import type { Conclusion, Facts, Result } from '../../src/daemonset/result.ts';
import type { History } from '../../src/daemonset/revision.ts';
import type { ControllerRevision, DaemonSet, JsonObject, ObjectMeta, Pod, PodTemplate } from '../../src/daemonset/types.ts';

export function template(image: string, more: JsonObject = {}): PodTemplate {
  return { metadata: { labels: { app: 'agent' } }, spec: { containers: [{ name: 'agent', image, ...more }] } };
}

export function daemonSet(
  current: PodTemplate,
  changes: { status?: DaemonSet['status']; annotations?: Record<string, string>; type?: string } = {},
): DaemonSet {
  return {
    metadata: {
      name: 'agent',
      namespace: 'logging',
      uid: 'uid-1',
      resourceVersion: '10',
      generation: 3,
      annotations: changes.annotations ?? {},
    },
    spec: { selector: { matchLabels: { app: 'agent' } }, template: current, updateStrategy: { type: changes.type ?? 'RollingUpdate' } },
    status: { observedGeneration: 3, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3, ...changes.status },
  };
}

export function controllerRevision(
  revision: number,
  stored: PodTemplate,
  changes: { name?: string; uid?: string; cause?: string; good?: string } = {},
): ControllerRevision {
  const name = changes.name ?? `agent-${revision}`;
  return {
    metadata: {
      name,
      namespace: 'logging',
      uid: `uid-${name}`,
      resourceVersion: '1',
      labels: { 'controller-revision-hash': name.replace('agent-', 'hash') },
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
