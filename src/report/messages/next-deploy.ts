/** Sentences about what a rollback could not write, and what the next deploy leaves in place. */
import { LAST_APPLIED } from '../../daemonset/managed-fields.ts';
import type { Left, LeftBy, LeftOut, LeftPart } from '../../daemonset/notes.ts';
import { CHANGE_CAUSE } from '../../daemonset/revision.ts';
import { LAST_ROLLBACK } from '../../daemonset/rollback-record.ts';
import { shellQuote } from './shell.ts';

/** Parts that a sentence names. */
const MOST_PARTS = 30;

export function leftOutText({ keys, why }: LeftOut): string {
  const consequences = keys.flatMap((key) => CONSEQUENCES[key] ?? []);
  const noun = keys.length === 1 ? 'annotation' : 'annotations';
  return `The rollback does not change the ${noun} ${keys.join(', ')}, because ${whyText(why)}. ${consequences.join(' ')}`;
}

/** Why an annotation is not written. */
export function whyText(why: LeftOut['why']): string {
  switch (why.kind) {
    case 'no-room':
      return 'all annotations of the DaemonSet together would be larger than 256 KiB';
    case 'removed':
      return 'an admission webhook removes it';
    case 'unreadable':
      return 'its present value is not a manifest';
    case 'rejected':
      return `the API server rejects that: ${why.message.replace(/\.$/, '')}`;
  }
}

const CONSEQUENCES: Readonly<Record<string, string>> = {
  [LAST_ROLLBACK]:
    'Without the rollback record, neither a re-run of this job nor another run recognizes this rollback: do not run it again without to-revision.',
  [LAST_APPLIED]: 'The next kubectl apply compares with the manifest of the version that was left.',
  [CHANGE_CAUSE]: 'The change-cause stays that of the version that was left.',
};

export function leftText({ by, parts }: Left): string {
  const more = parts.length > MOST_PARTS ? `, and ${parts.length - MOST_PARTS} more` : '';
  const list = `${parts.slice(0, MOST_PARTS).map(partText).join(', ')}${more}`;
  return byText(by, list);
}

function byText(by: LeftBy, list: string): string {
  switch (by.kind) {
    case 'helm': {
      const [release, namespace] = [shellQuote(by.release), shellQuote(by.namespace)];
      return `The record of the Helm release ${release} does not show what only the restored version has. Unless helm history lists the upgrade that was left as failed, the next helm upgrade will leave ${list}. To prevent that, roll back the release, too: helm rollback ${release} --namespace ${namespace}`;
    }
    case 'appliers':
      return `Several field managers apply this template (${by.managers.join(', ')}), and it is unknown whose fields these are, so their next apply will leave ${list}. Remove them by hand if the next version does not have them.`;
    case 'no-applier':
      return `No field manager applies this template by server-side apply, so the next apply will leave ${list}. Remove them by hand if the next version does not have them.`;
    case 'kubectl-apply':
      return `The next kubectl apply will leave what only the restored version has: ${list}. Remove them by hand if the next version does not have them.`;
  }
}

/** The names of the items of lists and maps. Lists without one are named by their path. */
const NOUNS: Readonly<Record<string, string>> = {
  annotations: 'annotation',
  containers: 'container',
  env: 'variable',
  hostAliases: 'host alias',
  imagePullSecrets: 'image pull secret',
  initContainers: 'init container',
  labels: 'label',
  ports: 'port',
  volumeDevices: 'volume device',
  volumeMounts: 'volume mount',
  volumes: 'volume',
};

/** `variable LEGACY of container agent`. */
function partText({ list, name, container, isOfDaemonSet = false }: LeftPart): string {
  const what = list === '' ? name : `${NOUNS[list] ?? list} ${name}`;
  if (container) return `${what} of ${NOUNS[container.list] ?? 'container'} ${container.name}`;
  return isOfDaemonSet ? `${what} of the DaemonSet` : what;
}
