/** The first line of the log: where the step works, and what it does. */
import { isRelative } from './daemonset/asked-revision.ts';
import type { AskedDaemonSets, DaemonSetName } from './daemonset/types.ts';
import type { Request } from './inputs/parse.ts';
import { askedText } from './report/messages/revisions.ts';

/** The DaemonSet that the step is about, if it is one that was given by name. */
export function nameOf(asked: AskedDaemonSets, namespace: string): DaemonSetName | undefined {
  const [only, ...others] = asked.kind === 'named' ? asked.daemonSets : [];
  return only && others.length === 0 ? { namespace: only.namespace ?? namespace, name: only.name } : undefined;
}

/** Where the DaemonSets are, and which ones. */
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

/** What the step does, as far as it is known before the first request. */
export function purposeOf(request: Request): string {
  if (request.command === 'history') return request.revision ? `show ${askedText(request.revision)}` : 'list the revisions';
  if (request.command === 'guard') return 'record what runs, to restore it if this job fails';
  if (request.command === 'release') return `${request.dryRun ? 'dry run, ' : ''}release the hold`;
  const { expectedRevision: expected } = request;
  if (request.command === 'status') return `wait for the rollout${expected ? ` of ${askedText(expected)}` : ''}`;
  const from = `${request.dryRun ? 'dry run, ' : ''}from ${expected ? askedText(expected) : 'the current revision'}`;
  const { toRevision: to } = request;
  return `${from} to ${!isRelative(to) ? askedText(to) : to.kind === 'previous' ? 'the previous version' : 'the last known-good version'}${request.hold ? ', and hold it' : ''}`;
}
