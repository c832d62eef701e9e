import { isFailure } from '../cluster/cluster.ts';
import { controllerPod } from '../daemonset/controller-pod.ts';
import { isOwned } from '../daemonset/is-owned.ts';
import { imagePresence } from '../daemonset/node-images.ts';
import type { Note } from '../daemonset/notes.ts';
import { type Denial, denialOf, isCertain } from '../daemonset/pod-admission.ts';
import { podCounts } from '../daemonset/pods.ts';
import { type Doubt, type ImagePresence, type Obstacle, type Preflight, referencesToCheck } from '../daemonset/preflight.ts';
import { exceedsQuota } from '../daemonset/quota.ts';
import { type Reference, referencesOf } from '../daemonset/references.ts';
import type { History, Revision } from '../daemonset/revision.ts';
import { rolloutOf } from '../daemonset/rollout.ts';
import type { DaemonSet, Pod, PodTemplate } from '../daemonset/types.ts';
import type { Context } from './context.ts';

/** How long all of it may take, if that is a small part of the time that is left. */
const LIMIT_MS = 10_000;
const PART_OF_TIME = 1 / 4;

/** What the checks of all versions of one DaemonSet share, the time limit included. */
export interface Checks {
  context: Context;
  daemonSet: DaemonSet;
  history: History;
  signal: AbortSignal;
  /** Some pods of the DaemonSet, read when they are first needed; undefined if they cannot be read. */
  pods: () => Promise<Pod[] | undefined>;
}

export function checksFor(context: Context, daemonSet: DaemonSet, history: History): Checks {
  const limitMs = Math.min(LIMIT_MS, (context.deadline - context.clock.now()) * PART_OF_TIME);
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(Math.max(0, Math.round(limitMs)))]);
  let pods: Promise<Pod[] | undefined> | undefined;
  const read = (): Promise<Pod[] | undefined> => {
    pods ??= context.cluster.listSomePods(daemonSet, signal).catch(() => undefined);
    return pods;
  };
  return { context, daemonSet, history, signal, pods: read };
}

/**
 * Whether pods of a version could start: what they refer to exists, and the API server admits such a pod in a dry run. Nothing is written. What
 * cannot be found out is a doubt, never an error, unless the work is aborted.
 */
export async function preflight(checks: Checks, revision: Revision): Promise<Preflight> {
  const images = countImages(checks, revision.template);
  const found = await whatPrevents(checks, revision);
  const present = await images;
  checks.context.signal.throwIfAborted();
  return { ...found, ...(present && { images: present }) };
}

/** Whether nothing certain prevents pods of a version from starting. False if there was no time to find out. */
export async function couldStart(checks: Checks, revision: Revision): Promise<boolean> {
  const { obstacles } = await whatPrevents(checks, revision);
  return obstacles.length === 0 && !checks.signal.aborted;
}

async function whatPrevents(checks: Checks, revision: Revision): Promise<Found> {
  const found = await Promise.all([checkReferences(checks, revision.template), checkAdmission(checks, revision)]);
  return { obstacles: found.flatMap(({ obstacles }) => obstacles), doubts: found.flatMap(({ doubts }) => doubts) };
}

type Found = Pick<Preflight, 'obstacles' | 'doubts'>;

const NOTHING: Found = { obstacles: [], doubts: [] };
const obstacle = (one: Obstacle): Found => ({ obstacles: [one], doubts: [] });
const doubt = (one: Doubt): Found => ({ obstacles: [], doubts: [one] });

async function checkReferences(checks: Checks, template: PodTemplate): Promise<Found> {
  const wanted = referencesOf(template);
  if (wanted.length === 0) return NOTHING;
  const own = referencesToCheck(template, checks.daemonSet.spec.template);
  const all = own.length < wanted.length && (await hasReadyPod(checks)) ? own : wanted;
  const found = await Promise.all(all.map((reference) => checkReference(checks, reference)));
  const doubts = found.flatMap((one) => one.doubts);
  // One line for each rule that is missing, whatever the number of objects.
  const distinct = doubts.filter((one, index) => doubts.findIndex((other) => JSON.stringify(other) === JSON.stringify(one)) === index);
  return { obstacles: found.flatMap(({ obstacles }) => obstacles), doubts: distinct };
}

/** Whether a pod of the current version is Ready: by the counters, or else by some of the pods. */
async function hasReadyPod({ daemonSet, history, pods }: Checks): Promise<boolean> {
  const { kind, counts } = rolloutOf(daemonSet);
  if (kind === 'complete' && counts.available > 0) return true;
  const { current, revisions } = history;
  const byRevision = podCounts(daemonSet, (await pods()) ?? [], revisions);
  return current !== undefined && (byRevision[current.name]?.ready ?? 0) > 0;
}

async function checkReference({ context, daemonSet, signal }: Checks, { kind, name, keys, isRequired }: Reference): Promise<Found> {
  const { cluster } = context;
  const { namespace } = daemonSet.metadata;
  try {
    if (kind !== 'ConfigMap' || keys.length === 0) {
      await cluster.findObject({ kind, namespace, name }, signal);
      return NOTHING;
    }
    const present = await cluster.configMapKeys({ namespace, name }, signal);
    const missing = keys.filter((key) => !present.includes(key));
    return missing.length === 0 ? NOTHING : obstacle({ kind: 'missing-keys', object: { kind, name }, keys: missing });
  } catch (error) {
    if (!isFailure(error, 'not-found')) return doubt(doubtOf(error, signal));
    return isRequired ? obstacle({ kind: 'missing-object', object: { kind, name } }) : doubt({ kind: 'missing-pull-secret', name });
  }
}

function doubtOf(error: unknown, signal: AbortSignal): Doubt {
  if (isFailure(error, 'forbidden')) return { kind: 'not-allowed', why: error.message };
  return { kind: 'no-answer', why: signal.aborted ? 'the API server did not answer in time' : (error as Error).message };
}

/** Asks the API server whether it admits a pod of the version, as the DaemonSet controller would create it. */
async function checkAdmission(checks: Checks, { template, hash }: Revision): Promise<Found> {
  const answer = await tryPod(checks, template, hash);
  if (!('by' in answer)) return answer;
  if (isCertain(answer)) return obstacle({ kind: 'denied', denial: answer });
  if (answer.by === 'quota') return judgeQuota(checks, answer);
  if (answer.by === 'unknown') return doubt({ kind: 'denied', denial: answer });
  // A policy or webhook may deny this account, or any pod without a controller: then it denies the version that runs, too.
  const { daemonSet, history } = checks;
  const control = await tryPod(checks, daemonSet.spec.template, history.current?.hash ?? hash);
  return control === NOTHING ? obstacle({ kind: 'denied', denial: answer }) : doubt({ kind: 'denied', denial: answer });
}

/** A denial by the API server, or what else came of it. */
async function tryPod({ context, daemonSet, signal }: Checks, template: PodTemplate, hash: string): Promise<Denial | Found> {
  try {
    await context.cluster.tryCreatePod(daemonSet.metadata.namespace, controllerPod(daemonSet, template, hash), signal);
    return NOTHING;
  } catch (error) {
    const status = isFailure(error, 'admission-denied', 'invalid-template', 'api', 'conflict') ? error.status : undefined;
    return status && status.code < 500 ? denialOf(status.code, status.message) : doubt(doubtOf(error, signal));
  }
}

/** Where the images are, as far as this account is allowed to know. It is only a note. */
async function countImages({ context, signal }: Checks, template: PodTemplate): Promise<ImagePresence | undefined> {
  try {
    return imagePresence(await context.cluster.listSomeNodes(signal), template);
  } catch {
    return undefined;
  }
}

/** A quota counts only if one more pod exceeds it once a running one is gone. */
async function judgeQuota({ daemonSet, pods }: Checks, denial: Denial): Promise<Found> {
  const running = ((await pods()) ?? []).find(({ metadata }) => isOwned(metadata, daemonSet));
  const exceeds = exceedsQuota(denial.message, running?.spec);
  if (exceeds === undefined) return doubt({ kind: 'denied', denial });
  return exceeds ? obstacle({ kind: 'denied', denial }) : NOTHING;
}

/** What to report of a version that is restored. */
export function preflightNotes({ obstacles, doubts, images }: Preflight): Note[] {
  const open = doubts.filter(({ kind }) => kind !== 'not-allowed');
  return [
    ...(obstacles.length + open.length > 0 ? [{ kind: 'might-not-start', obstacles, doubts: open } as const] : []),
    ...doubts.flatMap((one) => (one.kind === 'not-allowed' ? [{ kind: 'not-checked', why: one.why } as const] : [])),
    ...(images ? [{ kind: 'images-present', ...images } as const] : []),
  ];
}
