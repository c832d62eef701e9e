import type { CauseGroup, Evidence } from '../../daemonset/cause-groups.ts';
import type { FailingNode } from '../../daemonset/diagnosis.ts';
import { type PodFailure, pullFailureOf, SERVER_ERROR } from '../../daemonset/pod-failure.ts';
import { formatDuration } from '../../duration.ts';
import { shellQuote } from './shell.ts';

/** Nodes that a sentence names. */
const MOST_NODES = 5;
/** Length of Kubernetes' message in a sentence, in UTF-16 code units. */
const LONGEST_MESSAGE = 300;
/** A container whose runs are shorter has ended by the time at which a person enters a command. */
const LONG_RUN_MS = 10_000;

/** The problem of a group of nodes, as a sentence: `7 pods cannot pull the image X: not found (node-3, node-5, …)`. */
export function causeText({ nodes, example }: CauseGroup): string {
  const many = nodes.length;
  const [pods, have, are, s] = many === 1 ? ['1 pod', 'has', 'is', 's'] : [`${many} pods`, 'have', 'are', ''];
  const { failure } = example;
  const { cause, reason, message, image = '', exitCode, restarts = 0 } = failure;
  const said = message === '' ? '' : `: ${shortened(message)}`;
  const role = failure.sidecar ? 'sidecar container' : failure.init ? 'init container' : 'container';
  const container = `${role} "${failure.container ?? ''}"`;
  const times = `${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`;
  const code = exitCode === undefined ? '' : `exit code ${exitCode}, `;
  return `${sentence()}${named(nodes)}`;

  function sentence(): string {
    switch (cause) {
      case 'image-pull':
        return `${pods} cannot pull the image ${image}: ${pullProblem(failure)}`;
      case 'invalid-image':
        return `${pods} ${have} an invalid image name: ${image}`;
      case 'config-error':
        return `${pods} cannot configure ${container}${said}`;
      case 'start-error':
        return `${pods} cannot start ${container} (${code}${reason})${said}`;
      case 'crash-loop':
        return exitCode === 0
          ? `${pods} ${have} to be restarted: ${container} completes after every start (${code}${times}), but must continue to run`
          : `${pods} crash${many === 1 ? 'es' : ''}: ${container} exits after every start (${code}${times})${said}`;
      case 'oom-killed':
        return `${pods} crash${many === 1 ? 'es' : ''}: ${container} exceeds its memory limit (OOMKilled, ${code}${times})`;
      case 'probe-failed':
        return `${pods} ${are} restarted repeatedly: the probe of ${container} fails (${times})${said}`;
      case 'storage-limit':
        return `${pods} ${are} evicted repeatedly for exceeding ${many === 1 ? 'its' : 'their'} own storage limit${said}`;
      case 'volume-mount':
        return `${pods} wait${s} for a volume${said}`;
      case 'pod-sandbox':
        return `${pods} cannot start, because the node cannot create the pod sandbox${said}`;
      case 'unschedulable':
        return `${pods} cannot be scheduled to ${many === 1 ? 'its node' : 'their nodes'}${said}`;
      case 'pod-rejected':
        return `${pods} cannot be created${said}`;
      case 'starting':
        return failure.container === undefined
          ? `${pods} ${are} still starting (${reason})${said}`
          : `${pods} ${are} still starting: ${container} has not ${failure.sidecar ? 'started' : 'completed'}`;
      case 'not-ready':
        return `${pods} run${s} but ${are} not ready${said}`;
      case 'not-stable':
        return restarts > 0
          ? `${pods} run${s} again after a crash, but not yet for long enough: ${container} (${times}${ranText(failure)})`
          : `${pods} run${s}, but not yet for long enough`;
      case 'min-ready-seconds':
        return `${pods} ${are} ready, but not yet for minReadySeconds`;
      case 'evicted':
        return `${pods} failed and will be replaced (${reason})${said}`;
      case 'terminating':
        return `${pods} of the other version ${are} being deleted but ${many === 1 ? 'does' : 'do'} not terminate`;
      case 'old-pod-unavailable':
        return `${pods} of the other version ${are} unavailable. That uses up maxUnavailable, so the controller replaces no other pod`;
      case 'not-replaced':
        return `${pods} of the other version ${are} still to be replaced${said}`;
      case 'no-pod':
        return `${many} ${many === 1 ? 'node has' : 'nodes have'} no pod yet`;
      case 'node-not-ready':
        return `${many} ${many === 1 ? 'node is' : 'nodes are'} not ready${said}`;
    }
  }
}

/** Why an image cannot be pulled, in a few words, as far as the message shows. */
function pullProblem({ reason, message }: PodFailure): string {
  if (reason === 'ErrImageNeverPull') return 'it is not on the node and imagePullPolicy is Never';
  const secrets = /Unable to retrieve some image pull secrets \(([^)]*)\)/.exec(message)?.[1];
  if (secrets !== undefined) return `access denied; the image pull secret ${secrets} could not be read`;
  switch (pullFailureOf(message)) {
    case 'not-found':
      return 'not found';
    case 'denied':
      return 'access denied (imagePullSecrets?)';
    case 'rate-limit':
      return 'the registry rate limits pulls';
    case 'unavailable':
      return `the registry is unavailable (${SERVER_ERROR.exec(message)?.[0]})`;
    case 'unreachable':
      return 'the registry is unreachable';
    case 'unknown':
      return message === '' ? reason : shortened(message);
  }
}

/** What Kubernetes says about a problem, in a few words; empty if it says nothing. */
export function messageInBrief(failure: PodFailure): string {
  const said = failure.cause === 'image-pull' ? pullProblem(failure) : shortened(failure.message);
  return said === failure.reason ? '' : said;
}

/** How long a container ran before its last crash. */
function ranText({ ranMs }: PodFailure): string {
  return ranMs === undefined ? '' : `; its last run ended after ${formatDuration(ranMs)}`;
}

/** What each layer of a container runtime puts before the error of the next one. It says only which layers there are. */
const LAYERS =
  /\b(failed to create (containerd|shim) task|OCI runtime create failed|runc create failed|unable to start container process|error during container init|rpc error: code = Unknown desc =):? /g;

/** Without the layers of the runtime. Of a long one, the start and the end: the end of a chain of errors says what went wrong. */
function shortened(full: string): string {
  const message = full.replace(LAYERS, '');
  const start = LONGEST_MESSAGE / 3;
  return message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, start - 1)}…${message.slice(start - LONGEST_MESSAGE)}`;
}

function named(nodes: readonly FailingNode[]): string {
  const names = nodes.map(({ node }) => node).filter(Boolean);
  if (names.length === 0) return '';
  const more = names.length > MOST_NODES ? ', …' : '';
  return ` (${names.slice(0, MOST_NODES).join(', ')}${more})`;
}

/** A node in a progress line: `node-7 (CrashLoopBackOff, 3 restarts)`. */
export function nodeInBrief(node: FailingNode): string {
  return `${node.node || NO_NODE} (${causeInBrief(node)})`;
}

/** In the place of a node's name. */
export const NO_NODE = 'a node without a pod';

/** The problem of a node in a few words: `CrashLoopBackOff, 3 restarts`. */
export function causeInBrief({ failure: { reason, cause, restarts = 0, exitCode }, marks }: FailingNode): string {
  // Only for a moment before each restart is the reason `CrashLoopBackOff`.
  const why = exitCode !== undefined && /^(Error|Completed)$/.test(reason) ? `exit code ${exitCode}` : reason;
  const parts = [why || cause, ...(restarts > 0 ? [`${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`] : [])];
  return [...new Set([...parts, ...marks])].join(', ');
}

/** Which run of a container a log is from. */
export function runText({ run }: Evidence): string {
  return { previous: 'before its last restart', ended: 'of its last run', present: 'now' }[run];
}

/** The next command to type to learn more; undefined if there is nothing more to learn. */
export function nextCommand({ cause, example }: CauseGroup, inNamespace: string): string | undefined {
  const { failure } = example;
  const [namespace, pod, node] = [inNamespace, example.pod, example.node].map(shellQuote);
  const container = failure.container === undefined ? '' : ` --container ${shellQuote(failure.container)}`;
  // The kubelet keeps the log of a run that ended until the next one has ended. Between two runs, that is the present one for kubectl.
  const runsAgain = failure.runsSince !== undefined && (failure.ranMs ?? 0) >= LONG_RUN_MS;
  switch (cause) {
    case 'crash-loop':
    case 'oom-killed':
    case 'probe-failed':
      return `kubectl logs --namespace ${namespace} ${pod}${container}${runsAgain ? ' --previous' : ''}`;
    case 'not-ready':
    case 'starting':
      if (failure.container === undefined) break;
      return `kubectl logs --namespace ${namespace} ${pod}${container}`;
    case 'node-not-ready':
      return `kubectl describe node ${node}`;
    // The pod does not exist, or not for long.
    case 'pod-rejected':
    case 'storage-limit':
    case 'evicted':
    case 'no-pod':
      return `kubectl get events --namespace ${namespace} --field-selector type=Warning`;
    case 'not-replaced':
      return failure.message === '' ? undefined : `kubectl get events --namespace ${namespace} --field-selector type=Warning`;
    case 'min-ready-seconds':
      return undefined;
    case 'not-stable':
      if ((failure.restarts ?? 0) === 0) return undefined;
      return `kubectl logs --namespace ${namespace} ${pod}${container} --previous`;
    default:
      break;
  }
  return `kubectl describe pod --namespace ${namespace} ${pod}`;
}
