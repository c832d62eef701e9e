import { describe, expect, test } from '@jest/globals';
import { ownersOf, templateWriter } from '../../../src/daemonset/owners.ts';
import type { DaemonSet, ManagedFieldsEntry } from '../../../src/daemonset/types.ts';
import { ownerText } from '../../../src/report/messages/owners.ts';
import { daemonSet, template } from '../../helpers/builders.ts';

function owned(labels: Record<string, string>, annotations: Record<string, string>): DaemonSet {
  const of = daemonSet(template('agent:v1'), { annotations });
  return { ...of, metadata: { ...of.metadata, labels } };
}

const applied = { 'kubectl.kubernetes.io/last-applied-configuration': '{}' };

describe('the owners that will undo a rollback, and how to make it last', () => {
  test.each<[string, Record<string, string>, Record<string, string>, RegExp[]]>([
    ['none', { app: 'agent' }, {}, []],
    ['kubectl apply', {}, applied, [/kubectl apply\. Revert the manifest/]],
    [
      'Argo CD by its annotation',
      {},
      { 'argocd.argoproj.io/tracking-id': 'agents:apps/DaemonSet:logging/agent', ...applied },
      [/argocd app set agents /],
    ],
    ['Argo CD by its label', { 'argocd.argoproj.io/instance': 'agents' }, {}, [/application agents\)/]],
    [
      'a Kustomization of Flux',
      { 'kustomize.toolkit.fluxcd.io/name': 'agents', 'kustomize.toolkit.fluxcd.io/namespace': 'flux-system' },
      {},
      [/flux suspend kustomization agents --namespace flux-system$/],
    ],
    [
      'a HelmRelease of Flux, without Helm as a second owner',
      { 'helm.toolkit.fluxcd.io/name': 'agents', 'helm.toolkit.fluxcd.io/namespace': 'logging' },
      { 'meta.helm.sh/release-name': 'agents', 'meta.helm.sh/release-namespace': 'logging' },
      [/flux suspend helmrelease agents --namespace logging$/],
    ],
    [
      'Helm',
      { 'app.kubernetes.io/managed-by': 'Helm' },
      { 'meta.helm.sh/release-name': 'agents', 'meta.helm.sh/release-namespace': 'logging' },
      [/helm rollback agents --namespace logging$/],
    ],
    ['the addon manager', { 'addonmanager.kubernetes.io/mode': 'Reconcile' }, applied, [/to EnsureExists\.$/]],
    ['an addon whose changes are kept', { 'addonmanager.kubernetes.io/mode': 'EnsureExists' }, {}, []],
  ])('%s', (_name, labels, annotations, expected) => {
    const owners = ownersOf(owned(labels, annotations)).map(ownerText);
    expect(owners).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
  });
});

test('the controller of the DaemonSet is an owner, and no other object that owns it', () => {
  const of = owned({}, applied);
  of.metadata.ownerReferences = [
    { kind: 'ClusterPolicy', name: 'gpu policy', uid: 'uid-9', controller: true },
    { kind: 'ConfigMap', name: 'other', uid: 'uid-8' },
  ];
  expect(ownersOf(of).map(ownerText)).toEqual([expect.stringMatching(/kubectl edit ClusterPolicy 'gpu policy' -n logging$/)]);
});

test('the writer of a template is the manager that changed it last according to the server', () => {
  const entry = (manager: string, time: string, spec: object): ManagedFieldsEntry => ({
    manager,
    operation: 'Update',
    time,
    fieldsV1: { 'f:spec': spec as never },
  });
  const of = daemonSet(template('agent:v1'));
  expect(templateWriter(of)).toBeUndefined();
  of.metadata.managedFields = [
    entry('kubectl-set', '2026-01-02T00:00:00Z', { 'f:template': {} }),
    entry('helm', '2026-01-01T00:00:00Z', { 'f:template': {} }),
    entry('scaler', '2026-01-03T00:00:00Z', { 'f:updateStrategy': {} }),
  ];
  expect(templateWriter(of)).toBe('kubectl-set at 2026-01-02T00:00:00Z');
});
