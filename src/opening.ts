/** What the first line of the log says: where, and what for. */
import { inWords, isRelative } from './daemonset/target.ts';
import type { AskedDaemonSets, DaemonSetName } from './daemonset/types.ts';
import type { Request } from './inputs.ts';

/** The DaemonSet that is meant, where it is one that was named. */
export function nameOf(asked: AskedDaemonSets, namespace: string): DaemonSetName | undefined {
  const [only, ...others] = asked.kind === 'named' ? asked.daemonSets : [];
  return only && others.length === 0 ? { namespace: only.namespace ?? namespace, name: only.name } : undefined;
}

/** Where the DaemonSets are that are meant, and which. */
export function placeOf(asked: AskedDaemonSets, ofContext: string): string {
  if (asked.kind === 'selected') {
    const namespace = asked.namespace ?? ofContext;
    return `${namespace === '*' ? 'all namespaces' : `namespace ${namespace}`}, DaemonSets that match ${asked.selector}`;
  }
  const all = asked.daemonSets.map(({ namespace = ofContext, name }) => ({ namespace, name }));
  const namespaces = [...new Set(all.map(({ namespace }) => namespace))];
  const kind = all.length === 1 ? 'DaemonSet' : 'DaemonSets';
  return namespaces.length === 1
    ? `namespace ${namespaces[0]}, ${kind} ${all.map(({ name }) => name).join(', ')}`
    : `${kind} ${all.map(({ namespace, name }) => `${namespace}/${name}`).join(', ')}`;
}

/** From where to where, as far as it is known before the first request. */
export function purposeOf(request: Request): string {
  if (request.command === 'history') return request.revision ? `show ${inWords(request.revision)}` : 'list the revisions';
  if (request.command === 'guard') return 'record what runs, to put it back should this job fail';
  const { expectedRevision: expected } = request;
  if (request.command === 'status') return `wait for the rollout${expected ? ` of ${inWords(expected)}` : ''}`;
  const from = `${request.dryRun ? 'dry run, ' : ''}from ${expected ? inWords(expected) : 'the current revision'}`;
  const { toRevision: to } = request;
  return `${from} to ${!isRelative(to) ? inWords(to) : to.kind === 'previous' ? 'the previous one' : 'the last good one'}`;
}
