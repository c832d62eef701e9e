import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { CauseGroup } from '../../../src/daemonset/cause-groups.ts';
import { reportable } from '../../../src/daemonset/container-output.ts';
import type { FailingNode } from '../../../src/daemonset/diagnosis.ts';
import { CAUSES, type PodFailure, podFailureOf } from '../../../src/daemonset/pod-failure.ts';
import { pod } from '../../helpers/builders.ts';

function group(failure: PodFailure, events: string[] = []): CauseGroup {
  const node: FailingNode = { node: 'node-1', pod: 'agent-x', failure, since: 0, marks: [], isNew: false };
  return { cause: failure.cause, stuck: true, nodes: [node, node], example: node, evidence: { events, log: undefined, run: 'present' } };
}

/** The message of a failure, wherever the group has it. */
function shown(failure: PodFailure, showOutput: boolean): string {
  const { nodes, example } = reportable(group(failure), showOutput);
  const messages = new Set([...nodes, example].map((one) => one.failure.message));
  expect(messages.size).toBe(1);
  return [...messages].join();
}

const terminated = (reason: string, message: string): PodFailure =>
  podFailureOf(
    pod({
      containerStatuses: [
        {
          name: 'agent',
          restartCount: 3,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: { exitCode: 1, reason, message } },
        },
      ],
    }),
  ) as PodFailure;

const waiting = (reason: string, message: string): PodFailure =>
  podFailureOf(pod({ containerStatuses: [{ name: 'agent', state: { waiting: { reason, message } } }] })) as PodFailure;

const HOOK =
  'Exec lifecycle hook ([/agent exec hunter2]) for Container "agent" in Pod "agent-x" failed - error: command \'/agent exec hunter2\' exited with 7: , message: "hunter2\\n"';

describe('with log-lines: 0', () => {
  test.each<[string, PodFailure, string]>([
    ['a termination message', terminated('Error', 'fatal: hunter2'), ''],
    ['that of a container out of memory', terminated('OOMKilled', 'hunter2'), ''],
    ['that of a container whose probe failed, if no event says why', { ...terminated('Error', 'hunter2'), cause: 'probe-failed' }, ''],
    ['that of a pod of the other version', { ...terminated('Error', 'hunter2'), cause: 'old-pod-unavailable' }, ''],
    ['what a hook printed, and its command', waiting('PostStartHookError', HOOK), 'A lifecycle hook failed (exited with 7)'],
  ])('does not show %s', (_name, failure, text) => {
    expect(shown(failure, false)).toBe(text);
  });

  test.each<[string, PodFailure]>([
    ['why an image cannot be pulled', waiting('ErrImagePull', 'not found')],
    ['why a container cannot be configured', waiting('CreateContainerConfigError', 'configmap "a" not found')],
    ['why a container cannot be started', { ...terminated('StartError', 'executable file not found'), reason: 'StartError' }],
    ['why a pod cannot be scheduled', { cause: 'unschedulable', reason: 'Unschedulable', message: 'Insufficient cpu' }],
    ['why the image of a pod of the other version is missing', { ...waiting('ErrImagePull', 'not found'), cause: 'old-pod-unavailable' }],
  ])('still shows %s', (_name, failure) => {
    expect(failure.message).not.toBe('');
    expect(shown(failure, false)).toBe(failure.message);
  });

  test.each([
    ['Liveness probe failed: HTTP probe failed with statuscode: 500', 'Liveness probe failed: HTTP probe failed with statuscode: 500'],
    [
      'Readiness probe failed: Get "http://10.0.0.1:8080/readyz?token=hunter2": dial tcp 10.0.0.1:8080: connect: connection refused',
      'Readiness probe failed: connection refused',
    ],
    [
      'Startup probe failed: Get "http://10.0.0.1/slow": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
      'Startup probe failed: context deadline exceeded',
    ],
    ['Readiness probe failed: not connected: hunter2', 'Readiness probe failed'],
    ['Liveness probe failed: HTTP probe failed with statuscode: 500hunter2', 'Liveness probe failed'],
    ['Liveness probe errored and resulted in unknown state: rpc error: hunter2', 'Liveness probe errored'],
    ['Liveness probe warning: Probe terminated redirects, Response body: hunter2', 'Liveness probe warning'],
    [HOOK, 'A lifecycle hook failed (exited with 7)'],
    ['PostStartHook failed', 'PostStartHook failed'],
    ['Back-off restarting failed container agent', 'Back-off restarting failed container agent'],
  ])('the message and the event %j are %j', (message, text) => {
    expect(shown({ cause: 'not-ready', reason: 'ContainersNotReady', message }, false)).toBe(text);
    expect(reportable(group({ cause: 'not-ready', reason: '', message: '' }, [`Unhealthy: ${message}`]), false).evidence?.events).toEqual([
      `Unhealthy: ${text}`,
    ]);
  });

  test('shows nothing that a probe printed, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CAUSES),
        fc.string({ minLength: 1 }),
        fc.constantFrom('Liveness', 'Readiness', 'Startup'),
        (cause, printed, probe) => {
          const message = `${probe} probe failed: <${printed}>`;
          const text = shown({ cause, reason: 'Error', message }, false);
          expect(text === '' || text.startsWith(`${probe} probe failed`)).toBe(true);
          expect(text).not.toContain(`<${printed}>`);
        },
      ),
    );
  });
});

test('with log-lines, the output is shown, and neither the query of a probe nor the command of a hook', () => {
  expect(shown(terminated('Error', 'fatal: no disk'), true)).toBe('fatal: no disk');
  expect(
    shown({ cause: 'not-ready', reason: '', message: 'Readiness probe failed: Get "http://10.0.0.1/readyz?token=hunter2": EOF' }, true),
  ).toBe('Readiness probe failed: Get "http://10.0.0.1/readyz?<hidden>": EOF');
  expect(shown(waiting('PostStartHookError', HOOK.replace('"hunter2\\n"', '"registration failed"')), true)).toBe(
    'Exec lifecycle hook (<hidden>) for Container "agent" in Pod "agent-x" failed - error: command \'<hidden>\' exited with 7: , message: "registration failed"',
  );
});
