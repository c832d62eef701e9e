import { dump } from 'js-yaml';
import { eventually, type Fleet } from './support.ts';

/** Adds a ValidatingAdmissionPolicy for the updates of DaemonSets in a namespace until that is removed. `denied` is a kubectl command that it denies. */
export async function addPolicy(fleet: Fleet, validation: { expression: string; message: string }, denied: string[]): Promise<void> {
  const name = fleet.namespace;
  const create = (object: object): Promise<string> =>
    fleet.kubectl(['create', '-f', '-'], dump({ apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name }, ...object }));
  const resourceRules = [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['daemonsets'] }];
  await create({ kind: 'ValidatingAdmissionPolicy', spec: { matchConstraints: { resourceRules }, validations: [validation] } });
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
