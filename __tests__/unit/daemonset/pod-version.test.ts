import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isSameImage, type Peers, peersAmong, podVersionOf, runsVersion } from '../../../src/daemonset/pod-version.ts';
import type { JsonObject, ObjectMeta, Pod, PodTemplate } from '../../../src/daemonset/types.ts';

const wanted = { generation: '3', hashes: new Set(['hash3']) };
const template: PodTemplate = {
  metadata: { labels: { app: 'agent' }, annotations: { 'checksum/config': 'c2' } },
  spec: {
    containers: [
      {
        name: 'agent',
        image: 'registry.example/team/agent:v2',
        args: ['run', '--fast'],
        env: [{ name: 'LEVEL', value: 'info' }],
        resources: { limits: { memory: '64Mi' } },
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
      },
    ],
    volumes: [{ name: 'data', emptyDir: {} }],
    tolerations: [{ operator: 'Exists' }],
    affinity: { nodeAffinity: {} },
  },
};
const [agent] = (template['spec'] as { containers: [JsonObject] }).containers;

interface Changes {
  container?: JsonObject;
  spec?: JsonObject;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  metadata?: Partial<ObjectMeta>;
}

/** A pod as the controller creates it from the template, with changes. */
function pod({ container = {}, spec = {}, labels = {}, annotations = {}, metadata = {} }: Changes = {}): Pod {
  return {
    metadata: {
      name: 'agent-x',
      namespace: 'logging',
      uid: 'x',
      resourceVersion: '1',
      labels: { app: 'agent', 'controller-revision-hash': 'hash3', 'pod-template-generation': '3', ...labels },
      annotations: { 'checksum/config': 'c2', ...annotations },
      ...metadata,
    },
    spec: {
      ...(template['spec'] as JsonObject),
      nodeName: 'node-1',
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: {} } },
      tolerations: [{ operator: 'Exists' }, { key: 'node.kubernetes.io/not-ready', operator: 'Exists' }],
      containers: [{ ...agent, ...container }],
      ...spec,
    },
  };
}

const older = { 'pod-template-generation': '2' };
const isOurs = (one: Pod, peers: Pod[] = [], of = wanted as Parameters<typeof runsVersion>[1]): boolean => {
  const versions = [one, ...peers].map((each) => podVersionOf(each, template));
  return runsVersion(podVersionOf(one, template), of, peersAmong(versions.slice(1), of));
};

/** What admission adds to pods, or changes in them. */
const admission: [string, Changes][] = [
  ['nothing', {}],
  [
    'a variable',
    {
      container: {
        env: [
          { name: 'AWS_ROLE_ARN', value: 'x' },
          { name: 'LEVEL', value: 'info' },
        ],
      },
    },
  ],
  ['a sidecar', { spec: { containers: [agent as JsonObject, { name: 'mesh', image: 'mesh:v1' }] } }],
  ['a sidecar in front', { spec: { containers: [{ name: 'mesh', image: 'mesh:v1' }, agent as JsonObject] } }],
  ['an init container', { spec: { initContainers: [{ name: 'setup', image: 'setup' }] } }],
  ['another registry', { container: { image: 'mirror.internal/cache/team/agent:v2' } }],
  ['the digest of the tag', { container: { image: `registry.example/team/agent:v2@sha256:${'0'.repeat(64)}` } }],
  ['a digest instead of the tag', { container: { image: `registry.example/team/agent@sha256:${'0'.repeat(64)}` } }],
  ['labels and annotations', { labels: { team: 'x' }, annotations: { injected: 'yes' } }],
  [
    'a mount',
    {
      container: {
        volumeMounts: [
          { name: 'data', mountPath: '/data' },
          { name: 'token', mountPath: '/var/run' },
        ],
      },
    },
  ],
  ['the pull policy', { container: { imagePullPolicy: 'Always' } }],
];

/** Pods of other versions. */
const others: [string, Changes][] = [
  ['another tag', { container: { image: 'registry.example/team/agent:v1' } }],
  ['another image', { container: { image: 'registry.example/team/agent-lite:v2' } }],
  ['other arguments', { container: { args: ['--fast', 'run'] } }],
  ['another value of a variable', { container: { env: [{ name: 'LEVEL', value: 'debug' }] } }],
  ['no such variable', { container: { env: [] } }],
  ['no such container', { spec: { containers: [{ ...agent, name: 'old' } as JsonObject] } }],
];

/** Pods of other versions that only a comparison with another pod shows. */
const subtle: [string, Changes][] = [
  ['another limit', { container: { resources: { limits: { memory: '32Mi' } } } }],
  ['another volume', { spec: { volumes: [{ name: 'data', hostPath: { path: '/data' } }] } }],
  ['another checksum of its configuration', { annotations: { 'checksum/config': 'c1' } }],
];

describe('a pod of the version', () => {
  test.each([...admission, ...others, ...subtle])('with both labels is one, whatever admission did: %s', (_name, changes) => {
    expect(isOurs(pod(changes))).toBe(true);
  });

  test.each(admission)('with an older generation is one if it differs only by what admission did: %s', (_name, changes) => {
    expect(isOurs(pod({ ...changes, labels: { ...changes.labels, ...older } }))).toBe(true);
    expect(isOurs(pod({ ...changes, labels: { ...changes.labels, ...older } }), [pod()])).toBe(true);
  });

  test.each([...others, ...subtle])('with an older generation is one if pods that certainly are have the same: %s', (_name, changes) => {
    expect(isOurs(pod({ ...changes, labels: older }), [pod(changes), pod()])).toBe(true);
  });

  test('was restarted since: the stamp does not count', () => {
    const stamped = { ...template, metadata: { labels: {}, annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } } };
    const version = podVersionOf(pod({ labels: older }), stamped);
    expect(runsVersion(version, wanted, { count: 0, deviations: new Set() })).toBe(true);
  });

  test('got other resources in place', () => {
    expect(isOurs(pod({ container: { resources: { limits: { memory: '99Mi' } } }, metadata: { generation: 2 } }))).toBe(true);
  });
});

describe('a pod of another version', () => {
  test.each([...others, ...subtle])('is one that was given the hash, and differs from the other pods: %s', (_name, changes) => {
    expect(isOurs(pod({ ...changes, labels: older }), [pod()])).toBe(false);
  });

  test.each(others)('is one that was given the hash, and differs from the template: %s', (_name, changes) => {
    expect(isOurs(pod({ ...changes, labels: older }))).toBe(false);
  });

  test('is one with the generation and another hash: it was adopted', () => {
    expect(isOurs(pod({ labels: { 'controller-revision-hash': 'hash1' } }))).toBe(false);
  });

  test.each(others.slice(0, 2))('is one whose image was changed in place: %s', (_name, changes) => {
    expect(isOurs(pod({ ...changes, metadata: { generation: 2 } }))).toBe(false);
    expect(isOurs(pod({ ...changes, metadata: { generation: 2 } }), [pod()])).toBe(false);
  });

  test.each(others)('is one that differs from the template, where the hash is unknown: %s', (_name, changes) => {
    const unknown = { generation: '3', hashes: undefined };
    expect(isOurs(pod(changes), [], unknown)).toBe(false);
    expect(isOurs(pod(), [], unknown)).toBe(true);
  });
});

test.each<[string, string, boolean]>([
  ['agent:v1', 'agent:v1', true],
  ['agent', 'agent:latest', true],
  ['agent', 'docker.io/library/agent', true],
  ['localhost:5000/agent:v1', 'mirror:443/x/agent:v1', true],
  ['agent:v1', 'agent:v2', false],
  ['agent:v1', 'other/agent-x:v1', false],
  ['agent:v1', 'agent@sha256:1', true],
  ['agent:v1@sha256:1', 'agent:v1@sha256:2', false],
  ['agent@sha256:1', 'agent:v1', false],
  ['agent:v1', 'agent:v2@sha256:1', false],
])('the image %s can have become %s: %s', (one, other, expected) => {
  expect(isSameImage(one, other)).toBe(expected);
});

test('a peer more never makes a pod of the version one of another, unless there was none', () => {
  const changes = fc.constantFrom(...admission, ...others, ...subtle).map(([, change]) => change);
  const labels = fc.record({
    'pod-template-generation': fc.constantFrom('2', '3'),
    'controller-revision-hash': fc.constantFrom('hash1', 'hash3'),
  });
  fc.assert(
    fc.property(changes, labels, fc.array(changes, { minLength: 1, maxLength: 3 }), changes, (one, label, peers, more) => {
      const it = podVersionOf(pod({ ...one, labels: label }), template);
      const peersOf = (all: Changes[]): Peers =>
        peersAmong(
          all.map((each) => podVersionOf(pod(each), template)),
          wanted,
        );
      if (runsVersion(it, wanted, peersOf(peers))) expect(runsVersion(it, wanted, peersOf([...peers, more]))).toBe(true);
    }),
  );
});
