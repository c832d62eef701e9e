/** What only a real kubelet does, beyond the states of pods: it stops, it lets pods end in their own time, and it makes room for others. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { startTestbed, type Testbed } from '../../testbed/testbed.ts';
import { describeOnRealNode } from '../helpers/real-node.ts';
import { type Any, eventually, expectStep, Fleet, type ManifestOptions } from '../helpers/support.ts';

describeOnRealNode('with a real node', () => {
  let testbed: Testbed;
  let fleet: Fleet;
  beforeAll(async () => {
    testbed = await startTestbed({ nodes: 2, realNodes: 1 });
  });
  afterAll(() => testbed.stop());
  beforeEach(async () => {
    fleet = await Fleet.create({ testbed });
  });
  afterEach(() => fleet.remove());

  const onReal = { nodeSelector: { type: 'real' } };

  test('a version runs on real and simulated nodes', async () => {
    await fleet.rollOut('v1');
    const { items } = await fleet.json('get', 'pods');
    expect(items.map(({ spec, status }: Any) => [spec.nodeName, status.phase]).sort()).toEqual([
      ['node-1', 'Running'],
      ['node-2', 'Running'],
      ['real-1', 'Running'],
    ]);
    for (const { metadata } of items)
      expect(await fleet.kubectl(['logs', metadata.name])).toMatch(/^level=info msg="starting" .*image=\S*agent:v1\n/);
  });

  test('a node whose kubelet has stopped is named as the cause, and the rollout completes once it is back', async () => {
    // As network plugins do, it also runs on nodes that are not ready.
    const everywhere: ManifestOptions = { maxUnavailable: 3, podSpec: { tolerations: [{ operator: 'Exists' }] } };
    await fleet.rollOut('v1', everywhere);
    await testbed.kubelet('stop', 'real-1');
    await fleet.kubectl(['wait', 'node/real-1', '--for=condition=Ready=Unknown', '--timeout=120s']);
    await fleet.deploy('v2', everywhere);
    const inputs = { command: 'status', 'failure-grace': '3s', 'progress-deadline': '10s' };
    const stalled = await fleet.rollback(inputs);
    expectStep(stalled, { code: 1, outputs: { outcome: 'stalled', reason: 'node-not-ready' } });
    expect(stalled.log).toMatch(/::error .*1 node is not ready: Kubelet stopped posting node status\. \(real-1\)/);
    await testbed.kubelet('start', 'real-1');
    expectStep(await fleet.rollback(inputs), { code: 0, outputs: { outcome: 'complete' } });
  });

  test('a rollback waits for pods that use their grace period', async () => {
    await fleet.rollOut('v1', { podSpec: onReal });
    await fleet.rollOut('v2-deaf', { podSpec: { ...onReal, terminationGracePeriodSeconds: 12 } });
    const step = await fleet.rollback({ 'failure-grace': '2s' });
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(Number(step.outputs['duration-seconds'])).toBeGreaterThanOrEqual(11);
  });

  test('a pod for which others are being preempted is starting, not impossible to schedule', async () => {
    const urgent = { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: fleet.namespace }, value: 1_000 };
    await fleet.kubectl(['apply', '-f', '-'], JSON.stringify(urgent));
    fleet.onRemove(async () => void (await fleet.kubectl(['delete', 'priorityclass', fleet.namespace])));
    const { allocatable } = (await fleet.json('get', 'node/real-1')).status;
    const requests = { cpu: `${Number(allocatable.cpu) * 800}m` };
    const container = (tag: string): object => ({ name: 'agent', image: `registry.example/agent:${tag}`, resources: { requests } });
    const other = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'other' },
      spec: { ...onReal, terminationGracePeriodSeconds: 15, containers: [container('v1-deaf')] },
    };
    await fleet.serviceAccount();
    await fleet.kubectl(['create', '-f', '-'], JSON.stringify(other));
    await fleet.kubectl(['wait', 'pod/other', '--for=condition=Ready', '--timeout=60s']);
    await fleet.deploy('v1', { podSpec: { ...onReal, priorityClassName: fleet.namespace, containers: [container('v1')] } });
    await eventually(
      'the preemption',
      () => fleet.json('get', 'pods', '--selector', 'app=agent'),
      ({ items }) => items[0]?.status.nominatedNodeName === 'real-1',
    );
    const step = await fleet.rollback({ command: 'status', 'failure-grace': '2s' });
    expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
  });

  test('a controller that is not allowed to delete pods is quoted', async () => {
    await fleet.rollOut('v1', { podSpec: onReal });
    const policy = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: fleet.namespace },
      spec: {
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': fleet.namespace } },
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['DELETE'], resources: ['pods'] }],
        },
        validations: [{ expression: 'false', message: 'pods are protected during the freeze' }],
      },
    };
    const binding = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: fleet.namespace },
      spec: { policyName: fleet.namespace, validationActions: ['Deny'] },
    };
    for (const object of [policy, binding]) await fleet.kubectl(['create', '-f', '-'], JSON.stringify(object));
    fleet.onRemove(async () => {
      for (const { kind } of [policy, binding]) await fleet.kubectl(['delete', kind, fleet.namespace]);
    });
    const [pod] = (await fleet.json('get', 'pods')).items;
    await eventually(
      'the policy to be in force',
      () => fleet.kubectl(['delete', 'pod', pod.metadata.name, '--dry-run=server']).then(() => 'allowed', String),
      (result) => result.includes('pods are protected'),
    );
    await fleet.deploy('v2', { podSpec: onReal });
    const step = await fleet.rollback({ command: 'status', 'failure-grace': '2s', 'progress-deadline': '15s' });
    expectStep(step, { code: 1, outputs: { outcome: 'stalled', reason: 'not-replaced' } });
    expect(step.log).toMatch(
      /::error .*1 pod of the other version is still to be replaced: Error deleting: .*pods are protected during the freeze/,
    );
    expect(step.log).toMatch(/Next: kubectl get events --namespace \S+ --field-selector type=Warning$/m);
  });
});
