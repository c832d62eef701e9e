import { behaviorOf, podOf } from '../../testbed/manifest.ts';

export interface ManifestOptions {
  cause?: string;
  maxUnavailable?: number | string;
  strategy?: 'RollingUpdate' | 'OnDelete';
  env?: string;
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
  /** Additional fields of `spec`. */
  spec?: object;
  /** Additional fields of the template's `metadata` and `spec`. */
  templateMetadata?: object;
  podSpec?: object;
  /** Whether the container has the probes of its tag. Default true. */
  probes?: boolean;
}

/** A version of a DaemonSet. The tag selects how its pods behave. */
export function daemonSetOf(
  { namespace, name }: { namespace: string; name: string },
  tag: string,
  {
    cause = `deploy ${tag}`,
    maxUnavailable = 5,
    strategy = 'RollingUpdate',
    env = tag,
    annotations = {},
    labels = {},
    spec = {},
    templateMetadata = {},
    podSpec = {},
    probes = true,
  }: ManifestOptions = {},
): object {
  const behavior = behaviorOf(tag);
  behavior.container.env.push({ name: 'VERSION', value: env });
  if (!probes) {
    delete behavior.container.readinessProbe;
    delete behavior.container.livenessProbe;
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: {
      name,
      namespace,
      labels,
      annotations: { ...(cause !== '' && { 'kubernetes.io/change-cause': cause }), ...annotations },
    },
    spec: {
      selector: { matchLabels: { app: name } },
      updateStrategy: strategy === 'OnDelete' ? { type: strategy } : { type: strategy, rollingUpdate: { maxUnavailable } },
      template: {
        metadata: { labels: { app: name }, ...templateMetadata },
        spec: {
          terminationGracePeriodSeconds: 0,
          ...podOf([behavior]),
          ...podSpec,
        },
      },
      ...spec,
    },
  };
}
