import { templateGenerationOf } from '../daemonset/pods.ts';
import { versionDigest } from '../daemonset/template.ts';
import type { DaemonSet } from '../daemonset/types.ts';
import type { Context } from './context.ts';

/** Adds to the ledger of the job which version a guard or a gate saw. `complete`: running on every node. */
export function recordSeen({ ledger }: Context, { metadata, spec }: DaemonSet, seen: { by: 'guard' | 'gate'; complete: boolean }): void {
  const templateGeneration = templateGenerationOf({ metadata, spec });
  if (templateGeneration === undefined) return;
  ledger.append(metadata.uid, { kind: 'saw', templateGeneration, version: versionDigest(spec.template), ...seen });
}
