/** What a call needs to be allowed, as an RBAC rule. */
export interface Permission {
  apiGroup: string;
  resource: string;
  verb: string;
  /** What it is for. */
  purpose: string;
  /** What goes without it: telling why a rollout does not go on, or marking versions as good. Undefined: nothing does. */
  part?: Part;
  /** It is not in a namespace, and takes a ClusterRole. */
  everywhere?: true;
}

/** What an account may be denied: the rollback itself goes on. */
export type Part = 'diagnosis' | 'marks';

/** Every permission that the action can make use of, in a Role, or where they say so in a ClusterRole. */
export const PERMISSIONS: readonly Permission[] = [
  { apiGroup: 'apps', resource: 'daemonsets', verb: 'get', purpose: 'read the DaemonSet' },
  { apiGroup: 'apps', resource: 'daemonsets', verb: 'patch', purpose: 'restore its template' },
  { apiGroup: 'apps', resource: 'daemonsets', verb: 'watch', purpose: 'follow the rollout' },
  {
    apiGroup: 'apps',
    resource: 'daemonsets',
    verb: 'list',
    purpose: 'find those that match a selector, and name those that exist when one is not found',
  },
  { apiGroup: 'apps', resource: 'controllerrevisions', verb: 'list', purpose: 'read its history' },
  {
    apiGroup: 'apps',
    resource: 'controllerrevisions',
    verb: 'patch',
    purpose: 'mark the versions that were seen running everywhere',
    part: 'marks',
  },
  {
    apiGroup: '',
    resource: 'pods',
    verb: 'list',
    purpose: 'look at the pods where counters cannot be trusted, the rollout does not go on, or no version is marked as good',
    part: 'diagnosis',
  },
  { apiGroup: '', resource: 'pods', verb: 'watch', purpose: 'see at once that a pod cannot start', part: 'diagnosis' },
  { apiGroup: '', resource: 'pods/log', verb: 'get', purpose: 'show why a container crashed', part: 'diagnosis' },
  { apiGroup: '', resource: 'events', verb: 'list', purpose: 'tell why a pod cannot start', part: 'diagnosis' },
  {
    apiGroup: '',
    resource: 'nodes',
    verb: 'list',
    purpose: 'tell a node that is not ready from a bad version',
    part: 'diagnosis',
    everywhere: true,
  },
];

/** The rule to add to a Role in a namespace, or where that is undefined to a ClusterRole, as one line of YAML. */
export function missingRule(resource: string, verb: string, namespace: string | undefined): string {
  const known = PERMISSIONS.find((permission) => permission.resource === resource && permission.verb === verb);
  const group = known?.apiGroup ?? 'apps';
  const purpose = known ? `, to ${known.purpose}` : '';
  const role = namespace === undefined ? 'a ClusterRole' : `a Role in namespace ${namespace}`;
  return `Add this rule to ${role}${purpose}: {apiGroups: ["${group}"], resources: ["${resource}"], verbs: ["${verb}"]}`;
}
