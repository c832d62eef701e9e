import { dump } from 'js-yaml';
import { eventually, type Fleet } from './support.ts';

const UPDATES = { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['daemonsets'] };

/**
 * Adds a ValidatingAdmissionPolicy in a namespace until that is removed, by default for the updates of DaemonSets. `denied` is a kubectl command
 * that it denies.
 */
export async function addPolicy(
  fleet: Fleet,
  validation: { expression: string; message: string },
  denied: string[],
  rule: object = UPDATES,
): Promise<void> {
  const name = fleet.namespace;
  const create = (object: object): Promise<string> =>
    fleet.kubectl(['create', '-f', '-'], dump({ apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name }, ...object }));
  const matchConstraints = { resourceRules: [rule] };
  await create({ kind: 'ValidatingAdmissionPolicy', spec: { matchConstraints, validations: [validation] } });
  const matchResources = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } };
  await create({ kind: 'ValidatingAdmissionPolicyBinding', spec: { policyName: name, validationActions: ['Deny'], matchResources } });
  fleet.onRemove(async () => {
    await fleet.kubectl(['delete', 'validatingadmissionpolicybinding,validatingadmissionpolicy', name]);
  });
  await eventually(
    'the policy',
    () => fleet.kubectl([...denied, '--dry-run=server']).catch((error: Error) => error.message),
    (said) => said.includes(validation.message),
  );
}
