import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { CauseGroup } from '../../../../src/daemonset/cause-groups.ts';
import type { FailingNode } from '../../../../src/daemonset/diagnosis.ts';
import { CAUSES, type Cause, type PodFailure } from '../../../../src/daemonset/pod-failure.ts';
import { causeText, nextCommand, nodeInBrief } from '../../../../src/report/messages/causes.ts';

const on = (node: string, failure: Partial<PodFailure> & { cause: Cause }, marks: string[] = []): FailingNode => ({
  node,
  pod: `agent-${node}`,
  failure: { reason: '', message: '', ...failure },
  since: undefined,
  marks,
  isNew: false,
});

function group(failure: Partial<PodFailure> & { cause: Cause }, ...names: string[]): CauseGroup {
  const nodes = names.map((name) => on(name, failure));
  return { cause: failure.cause, stuck: false, nodes, example: nodes[0] as FailingNode };
}

const agent = { container: 'agent', image: 'agent:v2' };

describe('the sentence about a cause', () => {
  test.each<[Partial<PodFailure> & { cause: Cause }, string, string]>([
    [
      { cause: 'crash-loop', ...agent, exitCode: 1, restarts: 1 },
      '1 pod crashes: container "agent" exits after every start (exit code 1, 1 restart) (a)',
      '2 pods crash: container "agent" exits after every start (exit code 1, 1 restart) (a, b)',
    ],
    [
      { cause: 'crash-loop', ...agent, init: true, restarts: 4, message: 'no disk' },
      '1 pod crashes: init container "agent" exits after every start (4 restarts): no disk (a)',
      '2 pods crash: init container "agent" exits after every start (4 restarts): no disk (a, b)',
    ],
    [
      { cause: 'crash-loop', ...agent, exitCode: 0, restarts: 3 },
      '1 pod has to be restarted: container "agent" completes after every start (exit code 0, 3 restarts), but must continue to run (a)',
      '2 pods have to be restarted: container "agent" completes after every start (exit code 0, 3 restarts), but must continue to run (a, b)',
    ],
    [
      { cause: 'crash-loop', ...agent, init: true, sidecar: true, exitCode: 4, restarts: 3 },
      '1 pod crashes: sidecar container "agent" exits after every start (exit code 4, 3 restarts) (a)',
      '2 pods crash: sidecar container "agent" exits after every start (exit code 4, 3 restarts) (a, b)',
    ],
    [
      { cause: 'starting', reason: 'PodInitializing', ...agent, init: true },
      '1 pod is still starting: init container "agent" has not completed (a)',
      '2 pods are still starting: init container "agent" has not completed (a, b)',
    ],
    [
      { cause: 'starting', reason: 'PodInitializing', ...agent, init: true, sidecar: true },
      '1 pod is still starting: sidecar container "agent" has not started (a)',
      '2 pods are still starting: sidecar container "agent" has not started (a, b)',
    ],
    [
      { cause: 'storage-limit', message: 'Usage of EmptyDir volume "data" exceeds the limit "1Mi".' },
      '1 pod is evicted repeatedly for exceeding its own storage limit: Usage of EmptyDir volume "data" exceeds the limit "1Mi". (a)',
      '2 pods are evicted repeatedly for exceeding their own storage limit: Usage of EmptyDir volume "data" exceeds the limit "1Mi". (a, b)',
    ],
    [
      { cause: 'pod-sandbox', message: 'no runtime for "gvisor" is configured' },
      '1 pod cannot start, because the node cannot create the pod sandbox: no runtime for "gvisor" is configured (a)',
      '2 pods cannot start, because the node cannot create the pod sandbox: no runtime for "gvisor" is configured (a, b)',
    ],
    [
      { cause: 'not-replaced', message: 'Error deleting: denied' },
      '1 pod of the other version is still to be replaced: Error deleting: denied (a)',
      '2 pods of the other version are still to be replaced: Error deleting: denied (a, b)',
    ],
    [{ cause: 'volume-mount', message: 'no disk' }, '1 pod waits for a volume: no disk (a)', '2 pods wait for a volume: no disk (a, b)'],
    [{ cause: 'invalid-image', image: 'A' }, '1 pod has an invalid image name: A (a)', '2 pods have an invalid image name: A (a, b)'],
    [
      { cause: 'unschedulable', message: 'no cpu' },
      '1 pod cannot be scheduled to its node: no cpu (a)',
      '2 pods cannot be scheduled to their nodes: no cpu (a, b)',
    ],
    [{ cause: 'starting', reason: 'Pending' }, '1 pod is still starting (Pending) (a)', '2 pods are still starting (Pending) (a, b)'],
    [{ cause: 'not-ready' }, '1 pod runs but is not ready (a)', '2 pods run but are not ready (a, b)'],
    [
      { cause: 'min-ready-seconds' },
      '1 pod is ready, but not yet for minReadySeconds (a)',
      '2 pods are ready, but not yet for minReadySeconds (a, b)',
    ],
    [{ cause: 'not-stable' }, '1 pod runs, but not yet for long enough (a)', '2 pods run, but not yet for long enough (a, b)'],
    [
      { cause: 'not-stable', ...agent, restarts: 2, ranMs: 15_000 },
      '1 pod runs again after a crash, but not yet for long enough: container "agent" (2 restarts; its last run ended after 15.0 s) (a)',
      '2 pods run again after a crash, but not yet for long enough: container "agent" (2 restarts; its last run ended after 15.0 s) (a, b)',
    ],
    [{ cause: 'no-pod' }, '1 node has no pod yet (a)', '2 nodes have no pod yet (a, b)'],
    [{ cause: 'node-not-ready', message: 'gone' }, '1 node is not ready: gone (a)', '2 nodes are not ready: gone (a, b)'],
    [
      { cause: 'terminating' },
      '1 pod of the other version is being deleted but does not terminate (a)',
      '2 pods of the other version are being deleted but do not terminate (a, b)',
    ],
  ])('%j', (failure, one, two) => {
    expect([causeText(group(failure, 'a')), causeText(group(failure, 'a', 'b'))]).toEqual([one, two]);
  });

  test.each<[string, string, string]>([
    ['', 'NotFound desc = failed to resolve: x: not found', 'not found'],
    ['', 'manifest unknown', 'not found'],
    ['', 'pull access denied, repository does not exist or may require authorization', 'access denied (imagePullSecrets?)'],
    ['', 'unexpected status: 401 Unauthorized', 'access denied (imagePullSecrets?)'],
    ['', 'toomanyrequests: You have reached your pull rate limit', 'the registry rate limits pulls'],
    ['', 'unexpected status from HEAD request to https://r.example/v2/: 429 Too Many Requests', 'the registry rate limits pulls'],
    [
      '',
      'unexpected status from HEAD request to https://r.example/v2/: 503 Service Unavailable',
      'the registry is unavailable (503 Service Unavailable)',
    ],
    [
      '',
      'Unable to retrieve some image pull secrets (registry); attempting … pull access denied',
      'access denied; the image pull secret registry could not be read',
    ],
    ['', 'dial tcp: lookup r.example: no such host', 'the registry is unreachable'],
    ['', 'dial tcp 10.0.0.1:443: i/o timeout', 'the registry is unreachable'],
    ['', 'failed to pull agent@sha256:4b2f401c8d: dial tcp 10.0.0.1:443: i/o timeout', 'the registry is unreachable'],
    ['', 'failed to pull agent:v4.429: dial tcp 10.0.0.1:443: connection refused', 'the registry is unreachable'],
    ['ErrImageNeverPull', 'any', 'it is not on the node and imagePullPolicy is Never'],
    ['ErrImagePull', '', 'ErrImagePull'],
    ['ErrImagePull', 'something new', 'something new'],
  ])('an image cannot be pulled: %s %s', (reason, message, problem) => {
    expect(causeText(group({ cause: 'image-pull', image: 'agent', reason, message }, 'a'))).toBe(
      `1 pod cannot pull the image agent: ${problem} (a)`,
    );
  });

  const failure = fc.record(
    {
      cause: fc.constantFrom(...CAUSES),
      reason: fc.constant('Reason'),
      message: fc.constantFrom('', 'Said.', 'x'.repeat(5_000)),
      container: fc.constant('agent'),
      image: fc.constant('agent:v2'),
      init: fc.boolean(),
      exitCode: fc.nat(255),
      restarts: fc.nat(9),
    },
    { requiredKeys: ['cause', 'reason', 'message', 'container', 'image'] },
  );

  test('is complete without optional fields, is short, and names at most five nodes', () => {
    fc.assert(
      fc.property(failure, fc.integer({ min: 1, max: 2_000 }), (one, many) => {
        const sentence = causeText(group(one, ...Array.from({ length: many }, (_, index) => `node-${index}`)));
        expect(sentence).not.toMatch(/undefined|NaN|\[object| {2}|: :/);
        expect(sentence).toMatch(new RegExp(`^${many} ${many === 1 ? '(pod|node)' : '(pods|nodes)'} `));
        expect(sentence.match(/node-\d+/g)).toEqual(Array.from({ length: Math.min(5, many) }, (_, index) => `node-${index}`));
        expect(sentence.includes(', …)')).toBe(many > 5);
        expect(sentence.length).toBeLessThan(600);
      }),
    );
  });

  test('names only the nodes that are known', () => {
    expect(causeText(group({ cause: 'pod-rejected', message: 'no' }, '', ''))).toBe('2 pods cannot be created: no');
    expect(causeText(group({ cause: 'no-pod' }, '', 'a'))).toBe('2 nodes have no pod yet (a)');
  });
});

test.each<[FailingNode, string]>([
  [on('node-7', { cause: 'crash-loop', reason: 'CrashLoopBackOff', restarts: 3 }), 'node-7 (CrashLoopBackOff, 3 restarts)'],
  [on('node-7', { cause: 'crash-loop', reason: 'Error', exitCode: 2, restarts: 1 }), 'node-7 (exit code 2, 1 restart)'],
  [on('node-7', { cause: 'oom-killed', reason: 'OOMKilled', exitCode: 137, restarts: 1 }), 'node-7 (OOMKilled, 1 restart)'],
  [on('node-7', { cause: 'node-not-ready', reason: 'NotReady' }, ['NotReady', 'cordoned']), 'node-7 (NotReady, cordoned)'],
  [on('', { cause: 'no-pod' }), 'a node without a pod (no-pod)'],
])('a node in brief: %j', (node, text) => {
  expect(nodeInBrief(node)).toBe(text);
});

describe('the next command', () => {
  test.each<[Cause, string | undefined]>([
    ['crash-loop', 'kubectl logs --namespace logging agent-a --container agent'],
    ['oom-killed', 'kubectl logs --namespace logging agent-a --container agent'],
    ['starting', 'kubectl logs --namespace logging agent-a --container agent'],
    ['storage-limit', 'kubectl get events --namespace logging --field-selector type=Warning'],
    ['pod-sandbox', 'kubectl describe pod --namespace logging agent-a'],
    ['not-ready', 'kubectl logs --namespace logging agent-a --container agent'],
    ['image-pull', 'kubectl describe pod --namespace logging agent-a'],
    ['unschedulable', 'kubectl describe pod --namespace logging agent-a'],
    ['node-not-ready', 'kubectl describe node a'],
    ['pod-rejected', 'kubectl get events --namespace logging --field-selector type=Warning'],
    ['min-ready-seconds', undefined],
    ['not-replaced', undefined],
  ])('for %s', (cause, command) => {
    expect(nextCommand(group({ cause, ...agent }, 'a'), 'logging')).toBe(command);
  });

  test('reads the log of the run that shows the problem', () => {
    const crash = group({ cause: 'crash-loop', ...agent, restarts: 3 }, 'a');
    const running = (ranMs: number): CauseGroup => group({ cause: 'crash-loop', ...agent, restarts: 3, runsSince: 1, ranMs }, 'a');
    const isPrevious = (one: CauseGroup): boolean => nextCommand(one, 'logging')?.endsWith(' --previous') ?? false;
    expect(isPrevious(crash)).toBe(false);
    // Once a person has entered the command, the container has ended again, and the kubelet has removed the log before.
    expect(isPrevious(running(1_000))).toBe(false);
    expect(isPrevious(running(10_000))).toBe(true);
  });

  test('never refers to an object without a name', () => {
    for (const cause of CAUSES)
      expect(nextCommand(group({ cause }, 'a'), 'logging') ?? '').not.toMatch(/undefined| {2}|--container( --|$)/);
  });
});
