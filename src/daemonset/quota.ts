import { isObject } from './json.ts';
import { quantityOf } from './quantity.ts';
import { containersOf, sidecarsOf } from './template.ts';
import type { Json } from './types.ts';

/** What the quota admission plugin says of one quota (apiserver: resourcequota controller, checkQuotas). */
const EXCEEDED = /exceeded quota: ([^,]+), requested: (.*?), used: (.*?), limited: (.*)$/;

/**
 * Whether a pod still exceeds its quota once a running pod of the DaemonSet is gone. The controller replaces pods, so a DaemonSet that fills
 * its own quota has room for each new one.
 *
 * @param message the denial. @param running the spec of a pod that the new one replaces; undefined if there is none.
 * @returns undefined if the message does not show it.
 */
export function exceedsQuota(message: string, running: Json | undefined): boolean | undefined {
  const [, , requested, used, limited] = EXCEEDED.exec(message) ?? [];
  if (requested === undefined || used === undefined || limited === undefined) return undefined;
  const [inUse, limits] = [amounts(used), amounts(limited)];
  const exceeded = [...amounts(requested)].map(([resource, amount]) => {
    const [now, limit] = [inUse.get(resource), limits.get(resource)];
    if (now === undefined || limit === undefined) return undefined;
    const freed = running === undefined ? 0 : shareOf(running, resource);
    // Sums of decimal fractions are not exact.
    return now - freed + amount > limit * (1 + 1e-9);
  });
  return exceeded.includes(undefined) || exceeded.length === 0 ? undefined : exceeded.includes(true);
}

/** `pods=1,requests.cpu=100m` as numbers. */
function amounts(text: string): Map<string, number> {
  return new Map(
    text.split(',').flatMap((one): [string, number][] => {
      const [resource = '', value] = one.trim().split('=');
      const amount = quantityOf(value);
      return amount === undefined ? [] : [[resource, amount]];
    }),
  );
}

/** How much of a quota's resource one pod uses. */
function shareOf(podSpec: Json, resource: string): number {
  if (resource === 'pods' || resource === 'count/pods') return 1;
  const [, kind = 'requests', name = ''] = /^(?:(requests|limits)\.)?(.+)$/.exec(resource) ?? [];
  return podTotal(podSpec, kind, name);
}

/** What the scheduler and quotas count for a pod: its containers and sidecars together, or its largest init container (Kubernetes: resource helpers). */
function podTotal(podSpec: Json, kind: string, resource: string): number {
  const amountOf = (raw: Json): number => {
    const resources = isObject(raw) && isObject(raw['resources']) ? raw['resources'] : {};
    const [own, limits] = [resources[kind], resources['limits']];
    // A limit without a request counts as both.
    const value = isObject(own) && own[resource] !== undefined ? own[resource] : isObject(limits) ? limits[resource] : undefined;
    return quantityOf(value) ?? 0;
  };
  const sidecars = sidecarsOf(podSpec);
  let running = 0;
  let largest = 0;
  for (const { name, raw } of containersOf(podSpec, 'initContainers')) {
    if (sidecars.has(name)) running += amountOf(raw);
    else largest = Math.max(largest, running + amountOf(raw));
  }
  for (const { raw } of containersOf(podSpec)) running += amountOf(raw);
  const overhead = isObject(podSpec) && isObject(podSpec['overhead']) ? (quantityOf(podSpec['overhead'][resource]) ?? 0) : 0;
  return Math.max(running, largest) + overhead;
}
