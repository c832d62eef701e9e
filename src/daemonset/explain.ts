import type { CauseGroup, TroubledNode } from './diagnosis.ts';
import type { Trouble } from './trouble.ts';

/** Nodes that a sentence names. */
const MOST_NODES = 5;
/** UTF-16 code units of a message of Kubernetes in a sentence. */
const LONGEST_MESSAGE = 300;

/** What a group of nodes has, as a sentence: `7 pods cannot pull the image X: not found (node-3, node-5, …)`. */
export function explain({ nodes, example }: CauseGroup): string {
  const many = nodes.length;
  const [pods, have, are, s] = many === 1 ? ['1 pod', 'has', 'is', 's'] : [`${many} pods`, 'have', 'are', ''];
  const { trouble } = example;
  const { cause, reason, message, image = '', exitCode, restarts = 0 } = trouble;
  const said = message === '' ? '' : `: ${shortened(message)}`;
  const container = `${trouble.init ? 'init container' : 'container'} "${trouble.container ?? ''}"`;
  const times = `${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`;
  const code = exitCode === undefined ? '' : `exit code ${exitCode}, `;
  return `${sentence()}${named(nodes)}`;

  function sentence(): string {
    switch (cause) {
      case 'image-pull':
        return `${pods} cannot pull the image ${image}: ${pullProblem(trouble)}`;
      case 'invalid-image':
        return `${pods} ${have} an image whose name is not valid: ${image}`;
      case 'config-error':
        return `${pods} cannot get ${container} configured${said}`;
      case 'start-error':
        return `${pods} cannot start ${container} (${code}${reason})${said}`;
      case 'crash-loop':
        return `${pods} crash${many === 1 ? 'es' : ''}: ${container} ends after each start (${code}${times})${said}`;
      case 'oom-killed':
        return `${pods} crash${many === 1 ? 'es' : ''}: ${container} needs more memory than its limit (OOMKilled, ${code}${times})`;
      case 'probe-failed':
        return `${pods} ${are} restarted again and again: the probe of ${container} fails (${times})${said}`;
      case 'volume-mount':
        return `${pods} wait${s} for a volume${said}`;
      case 'unschedulable':
        return `${pods} cannot be scheduled to ${many === 1 ? 'its node' : 'their nodes'}${said}`;
      case 'pod-rejected':
        return `${pods} cannot be created${said}`;
      case 'starting':
        return `${pods} ${are} still starting (${reason})${said}`;
      case 'not-ready':
        return `${pods} run${s}, and ${are} not ready${said}`;
      case 'min-ready-seconds':
        return `${pods} ${are} ready, and not yet for minReadySeconds`;
      case 'evicted':
        return `${pods} failed and will be replaced (${reason})${said}`;
      case 'terminating':
        return `${pods} of the other version ${are} being deleted and ${many === 1 ? 'does' : 'do'} not end`;
      case 'old-pod-unavailable':
        return `${pods} of the other version ${are} unavailable, which uses up maxUnavailable, so that the controller replaces no other`;
      case 'not-replaced':
        return `${pods} of the other version ${are} still to be replaced`;
      case 'no-pod':
        return `${many} ${many === 1 ? 'node has' : 'nodes have'} no pod yet`;
      case 'node-not-ready':
        return `${many} ${many === 1 ? 'node is' : 'nodes are'} not ready${said}`;
    }
  }
}

/** In a word or two why an image cannot be pulled, as far as its message tells. */
function pullProblem({ reason, message }: Trouble): string {
  if (reason === 'ErrImageNeverPull') return 'it is not on the node, and imagePullPolicy is Never';
  if (/not found|manifest unknown|NotFound/i.test(message)) return 'not found';
  if (/unauthorized|denied|forbidden|authentication required|HTTP 40[13]/i.test(message)) return 'access denied (imagePullSecrets?)';
  if (/too ?many ?requests|rate limit|HTTP 429/i.test(message)) return 'the registry limits the pulls';
  if (/timeout|refused|no such host|unreachable|TLS handshake|EOF|reset/i.test(message)) return 'the registry cannot be reached';
  return message === '' ? reason : shortened(message);
}

function shortened(message: string): string {
  return message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, LONGEST_MESSAGE - 1)}…`;
}

function named(nodes: readonly TroubledNode[]): string {
  const names = nodes.map(({ node }) => node).filter(Boolean);
  if (names.length === 0) return '';
  const more = names.length > MOST_NODES ? ', …' : '';
  return ` (${names.slice(0, MOST_NODES).join(', ')}${more})`;
}

/** A node in a line of progress: `node-7 (CrashLoopBackOff, 3 restarts)`. */
export function inBrief({ node, trouble: { reason, cause, restarts = 0 }, marks }: TroubledNode): string {
  const parts = [reason || cause, ...(restarts > 0 ? [`${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`] : [])];
  return `${node || 'a node without a pod'} (${[...new Set([...parts, ...marks])].join(', ')})`;
}

/** What to type next to learn more; undefined where there is nothing more to learn. */
export function nextCommand({ cause, example }: CauseGroup, namespace: string): string | undefined {
  const { pod, node, trouble } = example;
  const container = trouble.container === undefined ? '' : ` --container ${trouble.container}`;
  switch (cause) {
    case 'crash-loop':
    case 'oom-killed':
    case 'probe-failed':
      return `kubectl logs --namespace ${namespace} ${pod}${container} --previous`;
    case 'not-ready':
      return `kubectl logs --namespace ${namespace} ${pod}${container}`;
    case 'node-not-ready':
      return `kubectl describe node ${node}`;
    case 'pod-rejected':
    case 'no-pod':
      return `kubectl get events --namespace ${namespace} --field-selector type=Warning`;
    case 'not-replaced':
    case 'min-ready-seconds':
      return undefined;
    default:
      return `kubectl describe pod --namespace ${namespace} ${pod}`;
  }
}
