/** What a call needs to be allowed, as an RBAC rule. */
export interface Permission {
  apiGroup: string;
  resource: string;
  verb: string;
  /** What it is for. */
  purpose: string;
}

/** Every permission that the action can make use of, in a namespaced Role. */
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
  { apiGroup: '', resource: 'pods', verb: 'list', purpose: 'look at the pods where counters cannot be trusted' },
];

/** The rule to add to a Role in a namespace, or where that is undefined to a ClusterRole, as one line of YAML. */
export function missingRule(resource: string, verb: string, namespace: string | undefined): string {
  const known = PERMISSIONS.find((permission) => permission.resource === resource && permission.verb === verb);
  const group = known?.apiGroup ?? 'apps';
  const purpose = known ? `, to ${known.purpose}` : '';
  const role = namespace === undefined ? 'a ClusterRole' : `a Role in namespace ${namespace}`;
  return `Add this rule to ${role}${purpose}: {apiGroups: ["${group}"], resources: ["${resource}"], verbs: ["${verb}"]}`;
}
