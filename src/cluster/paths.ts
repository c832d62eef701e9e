/** The paths of objects in the API, and the label selectors of their lists. */
import type { ReferenceKind } from '../daemonset/references.ts';
import type { DaemonSetName, LabelSelector } from '../daemonset/types.ts';

/** The path of a resource in a namespace, or in all namespaces if it is undefined. */
export function collection(version: string, namespace: string | undefined, resource: string): string {
  const root = version === 'v1' ? '/api/v1' : `/apis/${version}`;
  return namespace === undefined ? `${root}/${resource}` : `${root}/namespaces/${encodeURIComponent(namespace)}/${resource}`;
}

/** The path of an object whose kind has the regular plural. */
export function objectPath(kind: ReferenceKind, { namespace, name }: DaemonSetName): string {
  return `${collection('v1', namespace, `${kind.toLowerCase()}s`)}/${encodeURIComponent(name)}`;
}

export function daemonSetPath({ namespace, name }: DaemonSetName): string {
  return `${collection('apps/v1', namespace, 'daemonsets')}/${encodeURIComponent(name)}`;
}

/** The DaemonSet of a path, for a message. */
export function aboutDaemonSet(path: string): string {
  const [, namespace, name] = /\/namespaces\/([^/]+)\/daemonsets\/([^/]+)$/.exec(path) ?? [];
  return name === undefined ? '' : ` about DaemonSet ${namespace}/${name}`;
}

/** A label selector in the syntax of the query parameter `labelSelector` (apimachinery: labels.Parse). */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const equal = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const others = matchExpressions.map(({ key, operator, values = [] }) => {
    switch (operator) {
      case 'In':
        return `${key} in (${values.join(',')})`;
      case 'NotIn':
        return `${key} notin (${values.join(',')})`;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return key;
    }
  });
  return [...equal, ...others].join(',');
}
