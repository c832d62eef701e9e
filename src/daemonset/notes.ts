import type { CauseGroup } from './cause-groups.ts';
import type { OtherBytes } from './image-digests.ts';
import type { Owner } from './owners.ts';
import type { Doubt, ImagePresence, Obstacle } from './preflight.ts';
import type { RevisionName } from './revision.ts';
import type { SpecField } from './spec-fields.ts';

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
  /** `last-good` went on to another version, because pods of this one certainly cannot start. */
  | { kind: 'passed-over-broken'; revision: RevisionName; obstacles: Obstacle[] }
  /** With `preflight: warn`, what prevents pods from starting; and what may. */
  | { kind: 'might-not-start'; obstacles: Obstacle[]; doubts: Doubt[] }
  /** A check was not possible. `why` names the rule to add. */
  | { kind: 'not-checked'; why: string }
  | ({ kind: 'images-present' } & ImagePresence)
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
