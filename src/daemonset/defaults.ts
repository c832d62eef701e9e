import { canonical } from './template.ts';
import type { Json, JsonObject } from './types.ts';

/** What the API server sets in a DaemonSet if a manifest does not (Kubernetes: pkg/apis/core/v1/defaults.go, pkg/apis/apps/v1/defaults.go). */
const DEFAULTS: Readonly<Record<string, Json>> = {
  defaultMode: 420,
  failureThreshold: 3,
  maxSurge: 0,
  maxUnavailable: 1,
  minReadySeconds: 0,
  periodSeconds: 10,
  protocol: 'TCP',
  resources: {},
  revisionHistoryLimit: 10,
  scheme: 'HTTP',
  successThreshold: 1,
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  timeoutSeconds: 1,
  updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
};

/** Those of a pod. A container has other fields with the names of the first two. */
const OF_PODS: Readonly<Record<string, Json>> = {
  restartPolicy: 'Always',
  securityContext: {},
  dnsPolicy: 'ClusterFirst',
  schedulerName: 'default-scheduler',
  terminationGracePeriodSeconds: 30,
};

/**
 * Whether the API server sets a field to this value if a manifest does not have it.
 *
 * @param among the fields beside it.
 */
export function isDefault(field: string, value: Json | undefined, among: JsonObject): boolean {
  if (field === 'imagePullPolicy') return value === pullPolicyFor(String(among['image'] ?? ''));
  const defaults = 'containers' in among ? OF_PODS : DEFAULTS;
  return value !== undefined && Object.hasOwn(defaults, field) && canonical(defaults[field] ?? null) === canonical(value);
}

/** `Always` for the tag `latest`, and for none. */
function pullPolicyFor(image: string): string {
  if (image.includes('@')) return 'IfNotPresent';
  const [, tag = 'latest'] = /:([^:/]+)$/.exec(image) ?? [];
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}
