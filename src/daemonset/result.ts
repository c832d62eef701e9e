import type { NamedRevision, RelativeRevision } from './asked-revision.ts';
import type { CauseGroup } from './cause-groups.ts';
import type { TemplateChange } from './diff.ts';
import type { Hold, SeenHold } from './hold.ts';
import type { LeftOut, Note } from './notes.ts';
import type { Outcome, Reason } from './outcome.ts';
import type { PodCounts } from './pods.ts';
import type { Obstacle, Preflight } from './preflight.ts';
import type { Sample } from './progress.ts';
import type { Revision, RevisionName } from './revision.ts';
import type { RecordedRevision, RolledBackBy } from './rollback-record.ts';
import type { SpecField } from './spec-fields.ts';
import type { Counts, DaemonSetName, PodTemplate } from './types.ts';
import type { Fault } from './version-failure.ts';

/** The version that a wait is about: one that this step restored, or one that someone deployed. */
export type Version = 'restored' | 'deployed';

/** How a wait for a rollout ended without success. */
export type UnfinishedRollout =
  | 'on-delete'
  | 'not-waited'
  | 'failed'
  | 'stalled'
  | 'superseded'
  | 'deleted'
  | 'recreated'
  | 'timeout'
  | 'cancelled';

/**
 * Why what a guard recorded is not used: the file is gone or was changed; the step's state names no file that a guard can have written; it is
 * that of another job or attempt; or it is about another cluster than the one that the kubeconfig selects now.
 */
export type RecordProblem = 'gone' | 'changed' | 'not-ours' | 'other-job' | 'other-cluster';

/** What a conclusion is based on. `report/messages/` turns it, together with the rest of the result, into sentences. */
export type Facts =
  // rollback
  | { kind: 'restored' }
  | { kind: 'restored-not-waited' }
  | { kind: 'already-current' }
  | { kind: 'dry-run'; validated: boolean; holds?: boolean }
  | { kind: 'dry-run-of-resumed'; time: string }
  | { kind: 'write-unknown'; why: string }
  /** The API server accepted the write and did not change the template. */
  | { kind: 'write-undone' }
  // a rollout
  | { kind: 'rolled-out' }
  | {
      kind: 'unfinished-rollout';
      end: UnfinishedRollout;
      version: Version;
      /** With `superseded`: who changed the template, and when, as the API server recorded it. */
      writer?: string;
      /** The counters are complete, but these pods run another template. */
      misreported?: string[];
    }
  /** Nodes that the version before matched, and this one does not; undefined if they are unknown. */
  | { kind: 'no-nodes'; before: RevisionName; nodes: string[] | undefined; template: PodTemplate }
  // refusals
  | { kind: 'not-observed' }
  | { kind: 'not-recorded' }
  | { kind: 'being-deleted' }
  | { kind: 'nothing-previous'; why: 'only-revision' | 'same-version' | 'same-to-server' | 'rolled-back' }
  | { kind: 'nothing-known-good'; why: 'none-ready' | 'pods-unknown' | 'same-to-server' }
  | { kind: 'revision-not-found'; asked: NamedRevision }
  | { kind: 'ambiguous-revision'; asked: NamedRevision; names: string[] }
  | { kind: 'unexpected-revision'; expected: NamedRevision; current: RevisionName | undefined }
  | {
      kind: 'already-rolled-back';
      asked: RelativeRevision;
      time: string;
      run: string | undefined;
      repository: string | undefined;
      current: RevisionName;
      /** The number that the restored revision had before the rollback. */
      restored: number;
      /** The version that the rollback left, if it is still in the history. */
      left: RevisionName | undefined;
      /** The newest version that is neither the current one nor the one that was left. */
      older: RevisionName | undefined;
    }
  /** This run rolled back, and another version was deployed since. */
  | { kind: 'newer-change'; time: string; left: number; current: RevisionName }
  /** A gate, after a gate or guard of its own run rolled back what the run deployed. */
  | { kind: 'rolled-back-by-run'; time: string; by: RolledBackBy; left: RecordedRevision; current: RevisionName | undefined }
  /** The version that is meant differs from the current one only in a checksum of something outside of the history. */
  | {
      kind: 'only-checksum';
      asked: RelativeRevision;
      candidate: RevisionName;
      /** The newest version that differs in more. */
      older: RevisionName | undefined;
    }
  /** Pods of the version that would be restored certainly cannot start. */
  | {
      kind: 'would-not-start';
      target: RevisionName;
      obstacles: Obstacle[];
      /** The newest other version without such an obstacle. */
      startable: RevisionName | undefined;
    }
  | { kind: 'hold-rejected'; why: LeftOut['why'] }
  | { kind: 'another-refused'; others: { name: DaemonSetName; reason: Reason }[] }
  // guard
  | { kind: 'recorded' }
  | { kind: 'absent'; message: string }
  | { kind: 'record-lost'; why: RecordProblem }
  | { kind: 'record-not-saved'; why: string }
  | { kind: 'left-after-cancel' }
  | { kind: 'recreated' }
  | { kind: 'not-deployed' }
  /** `fields`: those of the spec that differ from what was recorded. */
  | { kind: 'not-changed'; recorded: RevisionName; fields: SpecField[] }
  | { kind: 'only-restarted'; recorded: RevisionName; fields: SpecField[] }
  | { kind: 'seen-complete'; current: RevisionName }
  /** A step of the job with `command: rollback` restored the current version. */
  | { kind: 'chosen-by-job'; current: RevisionName }
  | {
      kind: 'ambiguous-change';
      /** How many changes of the version led from what was recorded to what is current; undefined if that is unknown. */
      changes: number | undefined;
      expected: NamedRevision | undefined;
      /** There was a change after the last time that a gate or a guard of the job looked. */
      isLater: boolean;
      current: RevisionName;
    }
  | { kind: 'deleted-since'; recorded: RevisionName }
  | { kind: 'still-absent' }
  | { kind: 'created-by-job' }
  // hold
  | { kind: 'held'; hold: Hold }
  | { kind: 'released'; hold: Hold }
  | { kind: 'dry-run-of-release'; hold: Hold }
  | { kind: 'not-held' }
  | { kind: 'release-unknown'; why: string }
  // history
  | { kind: 'listed' }
  // errors
  | { kind: 'invalid-input'; mistakes: string[] }
  | { kind: 'interrupted'; by: 'cancelled' | 'timeout'; written: boolean }
  /** The person at the terminal did not confirm the write. */
  | { kind: 'declined' }
  | { kind: 'cluster-error'; message: string; written: boolean }
  | { kind: 'bug'; detail: string; written: boolean };

/** How a step ended for one DaemonSet: two words for programs, and the facts for people. */
export interface Conclusion {
  outcome: Outcome;
  reason: Reason;
  facts: Facts;
}

/** A conclusion that nothing was written, because a check failed. */
export function refuse(reason: Reason, facts: Facts): Conclusion {
  return { outcome: 'refused', reason, facts };
}

/** The same, in place of a target or a plan. */
export interface Refused {
  kind: 'refused';
  refusal: Conclusion;
}

export function refused(reason: Reason, facts: Facts): Refused {
  return { kind: 'refused', refusal: refuse(reason, facts) };
}

/** Whether a gate rolls back, and why. */
export type RollbackDecision =
  | { rollBack: true; because: 'timed-out' }
  | { rollBack: true; because: 'version-fails'; nodes: number }
  | { rollBack: true; because: 'no-nodes' }
  /** A guard runs the deploy itself. */
  | { rollBack: true; because: 'guarded' }
  | { rollBack: false; because: 'timed-out' | 'causes-unknown' }
  | { rollBack: false; because: Exclude<Fault, { kind: 'version' }> };

/** What a gate did about a rollout that did not succeed. */
export interface GateRollback {
  decision: RollbackDecision;
  /** The rollback, if one was tried. */
  result?: Result;
  /** The result of the gate before that. */
  gate: Result;
}

/** The result for one DaemonSet. Fields that are not known are undefined. */
export interface Result extends Conclusion {
  daemonSet: DaemonSetName;
  /** The DaemonSet was changed: by this step, or by an earlier attempt of the same run. */
  changed: boolean;
  /** The revision that was current before. */
  old?: Revision;
  /** The revision that was restored or asked for, with the number that it had then. */
  target?: Revision;
  /** The present number of the restored template. */
  newRevision?: number;
  /** The ControllerRevision of the restored template. */
  controllerRevision?: string;
  /** Differences between the template before and after. */
  changes?: TemplateChange[];
  counts?: Counts;
  history?: {
    before: Revision[];
    after?: HistoryEntry[];
    currentBefore?: string;
    pods?: PodCounts;
    /** When it was read. */
    asOf: number;
  };
  /** The revision that `history` shows in full, and what would change if it were restored. */
  shown?: { revision: Revision; changes: TemplateChange[]; preflight?: Preflight };
  /** The restored version kept its ControllerRevision, under a new number; otherwise the controller created another one. */
  renewed?: boolean;
  /** With the update strategy OnDelete: the pods that someone has to delete before the rollout is complete. */
  toReplace?: PodOnNode[];
  /** Why nodes do not run the version, or not available; the most significant cause first. */
  causes?: CauseGroup[];
  /** What is at fault for a rollout that did not succeed. */
  fault?: Fault;
  /** The progress of the rollout during the wait, the oldest state first. */
  samples?: readonly Sample[];
  /** After a gate that did not succeed: the rollback that followed. The numbers are those of the rollback then. */
  rollback?: GateRollback;
  /** The hold at the end of the step, or when it was read. */
  hold?: SeenHold;
  /** What the guard recorded before the deploy. */
  recorded?: RevisionName;
  notes: Note[];
}

export interface PodOnNode {
  name: string;
  /** Empty if the pod is not assigned to a node yet. */
  node: string;
}

/** A revision in the history after a rollback. */
export interface HistoryEntry {
  number: number;
  name: string;
  current: boolean;
  changeCause: string | undefined;
  images: string[];
}
