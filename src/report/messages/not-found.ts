import type { DaemonSetName } from '../../daemonset/types.ts';

/** Where something was looked up. */
export interface Place {
  server: string;
  context: string;
}

/** @param namespace undefined: all namespaces. */
export function noneMatchesText({ server, context }: Place, namespace: string | undefined, selector: string): string {
  const where = namespace === undefined ? 'in any namespace' : `in namespace "${namespace}"`;
  return `No DaemonSet ${where} of ${server} (context "${context}") matches the selector "${selector}".`;
}

/** @param others the DaemonSets that exist in the namespace; undefined if they could not be listed. */
export function noDaemonSetText({ server, context }: Place, { namespace, name }: DaemonSetName, others: string[] | undefined): string {
  const missing = `There is no DaemonSet "${name}" in namespace "${namespace}" of ${server} (context "${context}").`;
  if (others === undefined) return missing;
  return others.length === 0
    ? `${missing} The namespace has no DaemonSets. Is it the right namespace, and the right cluster?`
    : `${missing} The namespace has: ${others.join(', ')}.`;
}
