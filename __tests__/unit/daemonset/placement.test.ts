import { expect, test } from '@jest/globals';
import { hasSamePlacement, isPlacedOn, lostNodes } from '../../../src/daemonset/placement.ts';
import type { JsonObject, Node, PodTemplate } from '../../../src/daemonset/types.ts';

const of = (spec: JsonObject): PodTemplate => ({ metadata: {}, spec: { containers: [], ...spec } });
const affinity = (...terms: JsonObject[]): JsonObject => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
});
const label = (key: string, operator: string, ...values: string[]): JsonObject => ({ matchExpressions: [{ key, operator, values }] });

function node(labels: Record<string, string> = {}, taints: JsonObject[] = [], name = 'node-1'): Node {
  return { metadata: { name, namespace: '', uid: name, resourceVersion: '1', labels }, spec: { taints } as Node['spec'] } as Node;
}
const gpu = node({ gpu: 'yes', cores: '8' });
const tainted = (effect: string): Node => node({}, [{ key: 'dedicated', value: 'infra', effect }]);

test.each<[string, JsonObject, Node, boolean]>([
  ['everywhere', {}, node(), true],
  ['by name', { nodeName: 'node-2' }, node(), false],
  ['by label', { nodeSelector: { gpu: 'yes' } }, gpu, true],
  ['by a label that is missing', { nodeSelector: { gpu: 'yes' } }, node(), false],
  ['In', affinity(label('gpu', 'In', 'yes', 'maybe')), gpu, true],
  ['In, without the label', affinity(label('gpu', 'In', 'yes')), node(), false],
  ['NotIn', affinity(label('gpu', 'NotIn', 'yes')), gpu, false],
  ['NotIn, without the label', affinity(label('gpu', 'NotIn', 'yes')), node(), true],
  ['Exists', affinity(label('gpu', 'Exists')), gpu, true],
  ['DoesNotExist', affinity(label('gpu', 'DoesNotExist')), gpu, false],
  ['Gt', affinity(label('cores', 'Gt', '4')), gpu, true],
  ['Lt', affinity(label('cores', 'Lt', '8')), gpu, false],
  ['one of two terms', affinity(label('gpu', 'In', 'no'), label('cores', 'Exists')), gpu, true],
  ['no terms', affinity(), gpu, false],
  ['an empty term', affinity({}), gpu, false],
  ['a field', affinity({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }] }), node(), true],
  ['a preference only', { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } } }, node(), true],
  ['a taint', {}, tainted('NoSchedule'), false],
  ['a taint that only prefers', {}, tainted('PreferNoSchedule'), true],
  ['a tolerated taint', { tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'infra' }] }, tainted('NoExecute'), true],
  ['another value', { tolerations: [{ key: 'dedicated', value: 'web' }] }, tainted('NoSchedule'), false],
  ['another effect', { tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoExecute' }] }, tainted('NoSchedule'), false],
  ['everything tolerated', { tolerations: [{ operator: 'Exists' }] }, tainted('NoSchedule'), true],
  ['a node that is not ready', {}, node({}, [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }]), true],
])('a template is placed: %s', (_name, spec, on, expected) => {
  expect(isPlacedOn(of(spec), on)).toBe(expected);
});

test('nodes are lost if only the version before matches them', () => {
  const nodes = [node({ zone: 'a' }, [], 'node-a'), node({ zone: 'b' }, [], 'node-b'), tainted('NoSchedule')];
  expect(lostNodes(nodes, of({}), of({ nodeSelector: { zone: 'a' } }))).toEqual(['node-b']);
  expect(lostNodes(nodes, of({ nodeSelector: { zone: 'a' } }), of({}))).toEqual([]);
});

test('only the fields that place pods matter', () => {
  expect(hasSamePlacement(of({ hostNetwork: true }), of({}))).toBe(true);
  expect(hasSamePlacement(of({ nodeSelector: { a: 'b' } }), of({}))).toBe(false);
});
