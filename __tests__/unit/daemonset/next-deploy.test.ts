import { expect, test } from '@jest/globals';
import type { Candidate } from '../../../src/daemonset/known-good.ts';
import { leftByNextDeploy } from '../../../src/daemonset/next-deploy.ts';
import { historyOf, type Revision } from '../../../src/daemonset/revision.ts';
import type { DaemonSet, JsonObject, ManagedFieldsEntry, PodTemplate } from '../../../src/daemonset/types.ts';
import { leftText } from '../../../src/report/messages/next-deploy.ts';
import { controllerRevision, daemonSet } from '../../helpers/builders.ts';

const HELM = { 'meta.helm.sh/release-name': 'agents', 'meta.helm.sh/release-namespace': 'logging' };
const TEMPLATE = { 'f:spec': { 'f:template': { 'f:spec': {} } } };

function templateWith(container: JsonObject, spec: JsonObject = {}, metadata: JsonObject = {}): PodTemplate {
  return {
    metadata: { labels: { app: 'agent' }, ...metadata },
    spec: { containers: [{ name: 'agent', image: 'a:1', ...container }], ...spec },
  };
}

/** The sentences about a rollback from one template to another. */
function said(
  left: PodTemplate,
  restored: PodTemplate,
  changes: {
    annotations?: Record<string, string>;
    managedFields?: ManagedFieldsEntry[];
    target?: Partial<Candidate>;
    isStale?: boolean;
  } = {},
): string[] {
  const { annotations = HELM, managedFields = [], target = {}, isStale = false } = changes;
  const plain = daemonSet(left, { annotations });
  const of: DaemonSet = { ...plain, metadata: { ...plain.metadata, managedFields } };
  const [revision] = historyOf(daemonSet(restored), [controllerRevision(1, restored)]).revisions as [Revision];
  return leftByNextDeploy(of, { ...revision, ...target }, isStale).map(leftText);
}

test.each<[string, PodTemplate, PodTemplate, string]>([
  [
    'a variable',
    templateWith({ env: [{ name: 'A' }] }),
    templateWith({ env: [{ name: 'A' }, { name: 'LEGACY' }] }),
    'variable LEGACY of container agent',
  ],
  [
    'all variables',
    templateWith({}),
    templateWith({ env: [{ name: 'A' }, { name: 'B' }] }),
    'variable A of container agent, variable B of container agent',
  ],
  [
    'containers',
    templateWith({}),
    { spec: { containers: [{ name: 'agent' }, { name: 'sidecar' }], initContainers: [{ name: 'setup' }] } },
    'container sidecar, init container setup',
  ],
  [
    'a volume',
    templateWith({}),
    templateWith({ volumeMounts: [{ mountPath: '/c', name: 'c' }] }, { volumes: [{ name: 'c' }] }),
    'volume mount /c of container agent, volume c',
  ],
  [
    'labels',
    templateWith({}),
    templateWith({}, {}, { labels: { app: 'agent', 'a/b': 'x' }, annotations: { c: 'd' } }),
    'label a/b, annotation c',
  ],
  [
    'what is set as a whole',
    templateWith({}),
    templateWith({ livenessProbe: { periodSeconds: 5 } }, { hostNetwork: true, nodeSelector: { a: 'b' }, tolerations: [{ key: 'x' }] }),
    'livenessProbe of container agent, hostNetwork, nodeSelector, tolerations',
  ],
  [
    'a capability',
    templateWith({}),
    templateWith({ securityContext: { capabilities: { add: ['X'] } } }),
    'securityContext.capabilities of container agent',
  ],
  [
    'one more capability',
    templateWith({ securityContext: { capabilities: { drop: ['Y'] } } }),
    templateWith({ securityContext: { capabilities: { add: ['X'], drop: ['Y'] } } }),
    'securityContext.capabilities.add of container agent',
  ],
  [
    'another value in place of a default',
    templateWith({ terminationMessagePolicy: 'File' }, { terminationGracePeriodSeconds: 30 }),
    templateWith({ terminationMessagePolicy: 'FallbackToLogsOnError' }, { terminationGracePeriodSeconds: 5 }),
    'terminationMessagePolicy of container agent, terminationGracePeriodSeconds',
  ],
])('%s that only the restored version has is named', (_name, left, restored, list) => {
  expect(said(left, restored)).toEqual([
    `The record of the Helm release agents does not show what only the restored version has. Unless helm history lists the upgrade that was left as failed, the next helm upgrade will leave ${list}. To prevent that, roll back the release, too: helm rollback agents --namespace logging`,
  ]);
});

test.each<[string, PodTemplate, PodTemplate]>([
  [
    'another value',
    templateWith({ image: 'a:2', env: [{ name: 'A', value: '2' }] }),
    templateWith({ image: 'a:1', env: [{ name: 'A', value: '1' }] }),
  ],
  ['what only the version that was left had', templateWith({ env: [{ name: 'NEW' }] }, { hostNetwork: true }), templateWith({})],
  [
    'a default',
    templateWith({}, { dnsPolicy: 'ClusterFirstWithHostNet' }),
    templateWith({ imagePullPolicy: 'IfNotPresent' }, { dnsPolicy: 'ClusterFirst', securityContext: {} }),
  ],
  ['the stamp of a restart', templateWith({}), templateWith({}, {}, { annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } })],
])('%s is not named', (_name, left, restored) => {
  expect(said(left, restored)).toEqual([]);
});

test('fields of the DaemonSet that a guard restores, and its change-cause', () => {
  const target = { spec: { minReadySeconds: 5, updateStrategy: { type: 'OnDelete' }, revisionHistoryLimit: 10 }, changeCause: 'v1' };
  expect(said(templateWith({}), templateWith({}), { target })[0]).toContain(
    'will leave minReadySeconds of the DaemonSet, annotation kubernetes.io/change-cause of the DaemonSet.',
  );
});

test.each<[string, Parameters<typeof said>[2], RegExp[]]>([
  ['one applier gets everything', { managedFields: [{ manager: 'helm', operation: 'Apply', fieldsV1: TEMPLATE }] }, []],
  [
    'several appliers',
    { annotations: {}, managedFields: ['a', 'b'].map((manager) => ({ manager, operation: 'Apply', fieldsV1: TEMPLATE })) },
    [/^Several field managers apply this template \(a, b\).*next apply will leave hostNetwork\./],
  ],
  [
    'an applier of other fields',
    { annotations: {}, managedFields: [{ manager: 'a', operation: 'Apply', fieldsV1: { 'f:metadata': {} } }] },
    [/^No field manager applies this template/],
  ],
  ['a manifest that could not be changed', { annotations: {}, isStale: true }, [/^The next kubectl apply will leave .*: hostNetwork\./]],
  ['neither Helm nor any apply', { annotations: {} }, []],
])('%s', (_name, changes, expected) => {
  const sentences = said(templateWith({}), templateWith({}, { hostNetwork: true }), changes);
  expect(sentences).toHaveLength(expected.length);
  for (const [index, sentence] of sentences.entries()) expect(sentence).toMatch(expected[index] as RegExp);
});

test('a long list ends with how many more there are', () => {
  const env = Array.from({ length: 40 }, (_, index) => ({ name: `V${index}` }));
  expect(said(templateWith({}), templateWith({ env }))[0]).toMatch(/variable V29 of container agent, and 10 more\. To/);
});
