import type { NamedRevision, RelativeRevision } from './asked-revision.ts';
import type { CauseGroup } from './cause-groups.ts';
import type { TemplateChange } from './diff.ts';
import type { Hold, SeenHold } from './hold.ts';
import type { OtherBytes } from './image-digests.ts';
import type { Outcome, Reason } from './outcome.ts';
import type { Owner } from './owners.ts';
import type { PodCounts } from './pods.ts';
import type { Sample } from './progress.ts';
import type { Revision } from './revision.ts';
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

/** Enough of a revision to name it. */
export type RevisionName = Pick<Revision, 'number' | 'name'>;

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

/** Annotations that a rollback does not write: because all annotations together would be too large, the API server rejects them, or one is not a manifest. */
export interface LeftOut {
  keys: string[];
  why: { kind: 'no-room' | 'unreadable' | 'removed' } | { kind: 'rejected'; message: string };
}

/** A field that only the restored version has. Names are as the cluster has them. */
export interface LeftPart {
  /** The list or map that has it, such as `env` or `labels`; empty for other fields. */
  list: string;
  /** The name of the item, or the path of the field. */
  name: string;
  container?: { list: string; name: string };
  /** It is a field of the DaemonSet, not of its template. */
  isOfDaemonSet?: boolean;
}

/** Why the next deploy leaves fields in place that only the restored version has: what it compares with does not show them. */
export type LeftBy =
  /** The manifest of a release is in the release's own record. */
  | { kind: 'helm'; release: string; namespace: string }
  /** Several managers apply the template by server-side apply, so none can be given the fields. */
  | { kind: 'appliers'; managers: string[] }
  /** Server-side apply is used, but no manager applies the template by it. */
  | { kind: 'no-applier' }
  /** The manifest that `kubectl apply` compares with could not be changed. */
  | { kind: 'kubectl-apply' };

/** What the next deploy leaves in place. */
export interface Left {
  by: LeftBy;
  parts: LeftPart[];
}

/** Anything else that a person should know about a result. */
export type Note =
  | { kind: 'passed-over'; numbers: number[] }
  /** The current revision only restarted the pods of those with these numbers, so that the target is another version. */
  | { kind: 'older-code'; current: number; numbers: number[]; target: number }
  /** Passed over, because earlier rollbacks left them. */
  | { kind: 'rolled-back-before'; numbers: number[] }
  | { kind: 'rolled-back-already'; time: string; run: string | undefined }
  | { kind: 'no-history' }
  /** A guard restores after one change, without evidence that the job made it. */
  | { kind: 'assumed-change' }
  | { kind: 'fields-restored' | 'fields-left'; fields: SpecField[] }
  | ({ kind: 'annotations-left-out' } & LeftOut)
  | ({ kind: 'left-by-next-deploy' } & Left)
  | { kind: 'known-good'; number: number; time: string; run: string | undefined }
  | { kind: 'most-ready'; number: number; ready: number }
  | { kind: 'only-other' | 'ran-before'; number: number }
  | { kind: 'resumed'; time: string }
  /** A hold was asked for. */
  | { kind: 'not-held' }
  | { kind: 'owner'; owner: Owner }
  | { kind: 'new-controller-revision'; created: RevisionName; target: RevisionName; why: 'other-serialization' | 'webhook' }
  | { kind: 'unverified' }
  | { kind: 'other-bytes'; images: OtherBytes[] }
  | { kind: 'tolerated'; causes: CauseGroup[] }
  | { kind: 'current-not-in-history' };

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
  shown?: { revision: Revision; changes: TemplateChange[] };
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
