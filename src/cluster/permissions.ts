/** The RBAC rule that a call needs. */
export interface Permission {
  apiGroup: string;
  resource: string;
  verb: string;
  /** What the action does with it. */
  purpose: string;
  /** The feature that is unavailable without it. Undefined: the action requires it. */
  part?: Part;
  /** The resource is cluster-scoped, so the rule belongs in a ClusterRole. */
  everywhere?: true;
}

/** Features that an account can do without; a rollback works without them. */
export type Part = 'diagnosis' | 'marks' | 'preflight' | 'admission';

/** Every permission that the action uses: in a Role, or in a ClusterRole where `everywhere` is set. */
export const PERMISSIONS: readonly Permission[] = [
  { apiGroup: 'apps', resource: 'daemonsets', verb: 'get', purpose: 'read the DaemonSet' },
  { apiGroup: 'apps', resource: 'daemonsets', verb: 'patch', purpose: 'restore its template, and release a hold' },
  { apiGroup: 'apps', resource: 'daemonsets', verb: 'watch', purpose: 'watch the rollout' },
  {
    apiGroup: 'apps',
    resource: 'daemonsets',
    verb: 'list',
    purpose: 'find DaemonSets by a label selector, and list the existing ones if a name is not found',
  },
  { apiGroup: 'apps', resource: 'controllerrevisions', verb: 'list', purpose: 'read its revision history' },
  {
    apiGroup: 'apps',
    resource: 'controllerrevisions',
    verb: 'patch',
    purpose: 'mark versions as known-good',
    part: 'marks',
  },
  {
    apiGroup: '',
    resource: 'pods',
    verb: 'list',
    purpose: 'check that every pod runs the version and does not crash, and show why a rollout is not progressing',
    part: 'diagnosis',
  },
  {
    apiGroup: '',
    resource: 'pods',
    verb: 'watch',
    purpose: 'wait until the youngest pods have run for long enough, and detect pods that fail at once',
    part: 'diagnosis',
  },
  { apiGroup: '', resource: 'pods/log', verb: 'get', purpose: 'show why a container crashed', part: 'diagnosis' },
  { apiGroup: '', resource: 'events', verb: 'list', purpose: 'show why a pod cannot start', part: 'diagnosis' },
  {
    apiGroup: '',
    resource: 'nodes',
    verb: 'list',
    purpose: 'distinguish a node that is not ready from a bad version',
    part: 'diagnosis',
    everywhere: true,
  },
  ...['configmaps', 'secrets', 'persistentvolumeclaims'].map(
    (resource): Permission => ({
      apiGroup: '',
      resource,
      verb: 'get',
      purpose: 'check before a rollback that what the pods refer to exists',
      part: 'preflight',
    }),
  ),
  {
    apiGroup: '',
    resource: 'pods',
    verb: 'create',
    purpose: 'check before a rollback, by a dry run, that its pods are admitted',
    part: 'admission',
  },
];

/** The rule to add, as one line of YAML: to a Role in the namespace, or to a ClusterRole if the namespace is undefined. */
export function missingRule(resource: string, verb: string, namespace: string | undefined): string {
  const known = PERMISSIONS.find((permission) => permission.resource === resource && permission.verb === verb);
  const group = known?.apiGroup ?? 'apps';
  const purpose = known ? `, to ${known.purpose}` : '';
  const role = namespace === undefined ? 'a ClusterRole' : `a Role in namespace ${namespace}`;
  return `Add this rule to ${role}${purpose}: {apiGroups: ["${group}"], resources: ["${resource}"], verbs: ["${verb}"]}`;
}
