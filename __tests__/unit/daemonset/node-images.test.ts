import { expect, test } from '@jest/globals';
import { fullName, imagePresence } from '../../../src/daemonset/node-images.ts';
import type { Node } from '../../../src/daemonset/types.ts';

test.each([
  ['agent', 'docker.io/library/agent:latest'],
  ['agent:v1', 'docker.io/library/agent:v1'],
  ['team/agent', 'docker.io/team/agent:latest'],
  ['registry.example/agent:v1', 'registry.example/agent:v1'],
  ['registry:5000/agent', 'registry:5000/agent:latest'],
  ['localhost/agent', 'localhost/agent:latest'],
  [`registry.example/agent@sha256:${'a'.repeat(64)}`, `registry.example/agent@sha256:${'a'.repeat(64)}`],
])('%s is %s', (image, expected) => {
  expect(fullName(image)).toBe(expected);
});

test('counts the nodes of the version that have all of its images', () => {
  const node = (name: string, labels: Record<string, string>, ...names: string[]): Node => ({
    metadata: { name, namespace: '', uid: name, resourceVersion: '1', labels },
    status: { images: names.map((one) => ({ names: [one] })) },
  });
  const template = {
    spec: {
      nodeSelector: { os: 'linux' },
      initContainers: [{ name: 'setup', image: 'setup' }],
      containers: [{ name: 'agent', image: 'registry.example/agent:v1' }],
    },
  };
  const linux = { os: 'linux' };
  const nodes = [
    node('both', linux, 'docker.io/library/setup:latest', 'registry.example/agent:v1'),
    node('one', linux, 'registry.example/agent:v1'),
    node('none', linux),
    node('other', { os: 'windows' }, 'docker.io/library/setup:latest', 'registry.example/agent:v1'),
  ];
  expect(imagePresence([node('none', linux)], template)).toBeUndefined();
  expect(imagePresence(nodes, template)).toEqual({ images: ['setup', 'registry.example/agent:v1'], present: 1, nodes: 3 });
});
