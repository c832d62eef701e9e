/**
 * What a container printed, in messages from Kubernetes. A termination message is the end of its output (with `terminationMessagePolicy:
 * FallbackToLogsOnError`) or what it wrote to a file; the message of a failed probe or hook quotes its output or its address. With
 * `log-lines: 0` they are not shown, just as its log is not.
 */
import type { CauseGroup } from './cause-groups.ts';
import type { FailingNode } from './diagnosis.ts';
import type { PodFailure } from './pod-failure.ts';

/** A group of nodes as a report may show it. What may be secret in the address of a probe is never shown. */
export function reportable(group: CauseGroup, showOutput: boolean): CauseGroup {
  const node = (one: FailingNode): FailingNode => ({
    ...one,
    failure: { ...one.failure, message: messageOf(one.failure, showOutput) },
  });
  const { evidence } = group;
  return {
    ...group,
    nodes: group.nodes.map(node),
    example: node(group.example),
    ...(evidence && { evidence: { ...evidence, events: evidence.events.map((event) => eventText(event, showOutput)) } }),
  };
}

/** Reasons of a container whose message is from the kubelet or the container runtime. */
const NO_OUTPUT: ReadonlySet<string> = new Set(['StartError', 'ContainerCannotRun', 'ContainerStatusUnknown']);

function messageOf({ cause, reason, message }: PodFailure, showOutput: boolean): string {
  const shown = textOf(message, showOutput);
  if (showOutput || shown !== message || PROBE.test(message) || NO_OUTPUT.has(reason)) return shown;
  switch (cause) {
    case 'crash-loop':
    case 'oom-killed':
    case 'probe-failed':
      return '';
    // Its own problem is replaced by the fact that it is of another version: it may be any of them.
    case 'old-pod-unavailable':
      return EXITED.test(reason) ? '' : shown;
    default:
      return shown;
  }
}

/** The reasons of a container that ran and exited. */
const EXITED = /^(CrashLoopBackOff|Completed|Error|OOMKilled|)$/;

/** An event: `Unhealthy: Liveness probe failed: …`. */
function eventText(event: string, showOutput: boolean): string {
  const [, reason = '', message = ''] = /^(\w*): (.*)$/s.exec(event) ?? [];
  return reason === '' ? event : `${reason}: ${textOf(message, showOutput)}`;
}

const PROBE = /^(Liveness|Readiness|Startup) probe (failed|errored|warning)/;
const HOOK = /^\w+ lifecycle hook \(/;

/** Why a probe failed, in words that only the kubelet chooses. */
const REASONS = [
  /HTTP probe failed with statuscode: \d{3}\b/,
  /connection refused/,
  /connection reset by peer/,
  /no route to host/,
  /no such host/,
  /i\/o timeout/,
  /context deadline exceeded/,
  /command timed out|timed out after/,
  /server gave HTTP response to HTTPS client/,
  /executable file not found/,
  /\bEOF\b/,
];

/** The message of a probe or a hook without what its container printed, its command, and the query of its address. */
function textOf(message: string, showOutput: boolean): string {
  if (HOOK.test(message)) {
    const [code = ''] = /exited with \d+/.exec(message) ?? [];
    return showOutput
      ? message
          .replace(/hook \(.*\) for Container/s, 'hook (<hidden>) for Container')
          .replace(/command '.*' exited with/s, "command '<hidden>' exited with")
      : `A lifecycle hook failed${code === '' ? '' : ` (${code})`}`;
  }
  const [probe] = PROBE.exec(message) ?? [];
  if (probe === undefined) return message;
  if (showOutput) return message.replace(/(:\/\/[^\s"?]*)\?[^\s"]*/g, '$1?<hidden>');
  const why = REASONS.flatMap((pattern) => pattern.exec(message)?.[0] ?? [])[0];
  return why === undefined ? probe : `${probe}: ${why}`;
}
