import { isFailure } from '../cluster/cluster.ts';
import type { WantedVersion } from '../daemonset/pod-version.ts';
import { TEMPLATE_GENERATION } from '../daemonset/pods.ts';
import { type History, historyOf, type Revision, twinsOf } from '../daemonset/revision.ts';
import { isObserved } from '../daemonset/rollout.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import type { Context } from './context.ts';

/** When the history is read again after it did not contain the template. */
const READ_AGAIN_AFTER_MS = 1_000;

/** Knows which pods are of the version that is waited for: by its template generation, and by the hashes of its ControllerRevisions. */
export class VersionReader {
  readonly #context: Context;
  readonly #onNews: () => void;
  #daemonSet: DaemonSet;
  #hashes: ReadonlySet<string> | undefined;
  #isReading = false;
  #isUnreadable = false;
  #hasNews = false;
  /** The history, if it was read. */
  history: History | undefined;

  /** @param revisions the ControllerRevisions with the template; undefined if they have to be read. */
  constructor(context: Context, daemonSet: DaemonSet, revisions: readonly Revision[] | undefined, onNews: () => void) {
    this.#context = context;
    this.#daemonSet = daemonSet;
    // A ControllerRevision that was pruned is created again, with a name that the controller chooses.
    this.#hashes = revisions && revisions.length > 0 ? hashesOf(revisions) : undefined;
    this.#onNews = onNews;
  }

  /** Whether the hashes are known, or cannot be read. */
  get isKnown(): boolean {
    return this.#hashes !== undefined || this.#isUnreadable;
  }

  get wanted(): WantedVersion {
    return { generation: generationOf(this.#daemonSet), hashes: this.#hashes };
  }

  /** Takes a new state of the DaemonSet. Whether `wanted` has changed since the last call: a restart of the pods gives them another hash. */
  update(daemonSet: DaemonSet): boolean {
    const { log } = this.#context;
    const before = this.#daemonSet;
    this.#daemonSet = daemonSet;
    if (generationOf(before) !== generationOf(daemonSet)) {
      this.#hashes = undefined;
      this.#hasNews = true;
      log.info('The pods are being restarted, and the version stays the same. The wait continues.');
    } else if (before.metadata.generation !== daemonSet.metadata.generation) {
      log.info('The spec changed in the meantime, but not the template. The wait continues.');
    }
    const hadNews = this.#hasNews;
    this.#hasNews = false;
    return hadNews;
  }

  /**
   * Reads the history in the background, unless the version is known.
   *
   * @param isInDoubt what was given at the beginning is not enough: the history is read if that was not done in this wait.
   */
  read({ isInDoubt }: { isInDoubt: boolean }): void {
    if (this.#isUnreadable || (this.isKnown && !(isInDoubt && !this.history))) return;
    if (this.#isReading || !isObserved(this.#daemonSet)) return;
    this.#isReading = true;
    void this.#read(this.#daemonSet).finally(() => {
      this.#isReading = false;
      this.#onNews();
    });
  }

  async #read(daemonSet: DaemonSet): Promise<void> {
    const { cluster, clock, log, signal } = this.#context;
    try {
      const history = historyOf(daemonSet, await cluster.listControllerRevisions(daemonSet, signal));
      if (generationOf(daemonSet) !== generationOf(this.#daemonSet)) return;
      this.history = history;
      if (!history.current) return await clock.sleep(READ_AGAIN_AFTER_MS, signal);
      this.#hashes = hashesOf(twinsOf(history, history.current));
      this.#hasNews = true;
    } catch (error) {
      if (signal.aborted) return;
      log.debug(`Could not read the history during the wait: ${(error as Error).message}`);
      if (isFailure(error, 'forbidden')) this.#isUnreadable = true;
      else await clock.sleep(READ_AGAIN_AFTER_MS, signal).catch(() => {});
    }
  }
}

function hashesOf(revisions: readonly Revision[]): ReadonlySet<string> {
  return new Set(revisions.map(({ hash }) => hash));
}

function generationOf({ metadata }: DaemonSet): string | undefined {
  return metadata.annotations?.[TEMPLATE_GENERATION];
}
