import { parseJson } from '../daemonset/json.ts';
import { ClusterError, type ClusterFailure } from './cluster.ts';
import { decodeStatus, UnexpectedAnswer } from './decode.ts';
import { missingRule } from './permissions.ts';
import type { Status } from './schemas.ts';
import { ProxyError } from './tunnel.ts';

/** The parts of a call that a message uses. */
interface Asked {
  method: string;
  path: string;
}

/** An HTTP answer. */
export interface Answer {
  status: number;
  /** The header Content-Type. */
  type: string;
  text: string;
}

/** Why an attempt at a call failed. */
export interface Failure {
  error: ClusterError;
  /** Whether the server may have processed the request. */
  effect: 'none' | 'unknown';
  /** What helps: nothing; time; a short time, because the server works; time, if the server is starting; new credentials, or also time. */
  remedy: 'none' | 'wait' | 'wait-briefly' | 'wait-if-starting' | 'renew-credentials' | 'renew-or-wait';
}

/** The longest part of an unexpected answer that a message quotes, in characters. */
const LONGEST_QUOTE = 200;

/** The failure for an answer with an HTTP status other than 2xx. */
export function explainAnswer(answer: Answer, asked: Asked, server: string): Failure {
  const status = statusIn(answer.text);
  const { status: code } = answer;
  if (!status) {
    // The API server sends plain text if it is overloaded. Every server sends 429 instead of processing the request.
    if (code === 429) return overloaded(answer, server);
    const failure = explainUnexpected(answer, server);
    // A gateway that authenticates does not pass the request on.
    return code === 401 ? { ...failure, effect: 'none', remedy: 'renew-or-wait' } : failure;
  }
  const failure = explainStatus(status, answer, asked, server);
  const { failure: kind, message } = failure.error;
  return { ...failure, error: new ClusterError(kind, message, { status: { code, message: status.message ?? '' } }) };
}

function explainStatus(status: Status, answer: Answer, asked: Asked, server: string): Failure {
  const { status: code } = answer;
  const { message = '', reason } = status;
  const detail = message ? `: ${message}` : '';
  const fail = (failure: ClusterFailure, text: string, remedy: Failure['remedy'] = 'none'): Failure => ({
    error: new ClusterError(failure, text),
    effect: 'none',
    remedy,
  });

  if (/^Internal error occurred: failed calling webhook /.test(message))
    return fail('admission-denied', `An admission webhook failed, so the change was not made${detail}`, 'wait-briefly');
  if (/admission webhook ".*" does not support dry run/.test(message)) return fail('dry-run-unsupported', message);
  if (/admission webhook ".*" denied the request|denied request: |GKE Warden/i.test(message))
    return fail('admission-denied', `An admission policy or webhook denied the change${detail}`);
  switch (code) {
    case 400:
      if (/unable to parse requirement|couldn't parse the selector|label selector/i.test(message))
        return fail(
          'invalid-input',
          `Input selector: the API server could not parse it${detail}. Use the syntax of kubectl --selector, such as app=agent,tier!=test.`,
        );
      break;
    case 401:
      return fail(
        'unauthorized',
        `The API server ${server} rejected the credentials (401 Unauthorized). The token or certificate has expired or belongs to another cluster. Renew the kubeconfig, or run your cloud provider's login action right before this step.`,
        'renew-credentials',
      );
    case 403:
      return explainForbidden(message, asked);
    case 404:
      if (reason === 'NotFound' && isAbout(status, asked.path))
        return fail('not-found', `The API server ${server} returned 404 Not Found${detail}`);
      break;
    case 409:
      return fail('conflict', `The API server reported a conflict${detail}`, 'wait-briefly');
    case 410:
      return fail('expired', `The resource version is too old${detail}`);
    case 422:
      return fail(...explainInvalid(status));
    case 429:
      return overloaded(answer, server, detail);
    default:
  }
  const error = new ClusterError('api', `The API server ${server} returned status ${code} for ${asked.method} ${asked.path}${detail}`);
  return code >= 500 ? { error, effect: 'unknown', remedy: 'wait' } : { error, effect: 'none', remedy: 'none' };
}

function overloaded({ status }: Answer, server: string, detail = ''): Failure {
  const error = new ClusterError('api', `The API server ${server} is overloaded (status ${status})${detail}. Try again later.`);
  return { error, effect: 'none', remedy: 'wait' };
}

/** An answer that is not from a Kubernetes API server. Like a 502, it can disappear, and the request may have been processed. */
export function explainUnexpected({ status, type, text }: Answer, server: string, why = ''): Failure {
  const quote = quoteOf(text);
  const what = [String(status), type.split(';')[0]].filter(Boolean).join(', ');
  const error = new ClusterError(
    'unreachable',
    `The answer from ${server} is not from a Kubernetes API server (${what})${why && `: ${why}`}. Check the server address in the kubeconfig, and whether a proxy or gateway answers in its place.${quote && ` The answer begins with: ${quote}`}`,
  );
  return { error, effect: 'unknown', remedy: 'wait' };
}

/** The beginning of an answer, without markup and control characters. */
function quoteOf(text: string): string {
  const plain = text
    .replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, ' ')
    .replace(/<[^<>]*>/g, ' ')
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim();
  return plain.length > LONGEST_QUOTE ? `${plain.slice(0, LONGEST_QUOTE)}…` : plain;
}

/** The message of RBAC and other authorizers, such as `daemonsets.apps "agent" is forbidden: User "ci" cannot patch resource "daemonsets" …` */
const FORBIDDEN = /^[\w./-]+(?: ".*?")? is forbidden: User ".*?" cannot (\w+) resource "([\w/.-]+)" in API group /;

function explainForbidden(message: string, { method, path }: Asked): Failure {
  const detail = message || '403 Forbidden';
  const [, verb = '', resource] = FORBIDDEN.exec(message) ?? [];
  if (resource === undefined) {
    const failure = method === 'GET' ? 'forbidden' : 'admission-denied';
    const isStarting = message.includes('not yet ready to handle request');
    return {
      error: new ClusterError(failure, `The API server denied the request: ${detail}`),
      effect: 'none',
      remedy: isStarting ? 'wait' : 'none',
    };
  }
  const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1];
  const where = namespace !== undefined ? `in namespace ${namespace}` : resource === 'nodes' ? 'in the cluster' : 'in all namespaces';
  const error = new ClusterError(
    'forbidden',
    `The account is not allowed to ${verb} ${resource} ${where}. ${missingRule(resource, verb, namespace)}. The API server returned: ${message}`,
  );
  // An API server that has just started has not loaded its roles yet, and forbids every request for a moment.
  return { error, effect: 'none', remedy: 'wait-if-starting' };
}

function explainInvalid({ message, details }: Status): [ClusterFailure, string] {
  const causes = details?.causes ?? [];
  // A "test" operation of the JSON patch failed: the object was changed in the meantime.
  if (causes.length === 0) return ['conflict', message ?? 'The patch does not match the object. It was changed in the meantime.'];
  // A patch can contain the UID of its object, as the patches of the controllers do.
  if (causes.some(({ field }) => field === 'metadata.uid')) return ['conflict', message ?? 'Another object has this name now.'];
  const list = causes.map(({ field, message: cause }) => `${field ?? ''}: ${cause ?? ''}`).join('; ');
  return ['invalid-template', `The API server rejected the template of this revision: ${list}. Restore another revision.`];
}

/** Whether a `Status` is about the object in a path. A gateway in front of several clusters can return one about something else. */
function isAbout({ details }: Status, path: string): boolean {
  const [, resource, name] = /\/namespaces\/[^/]+\/([a-z]+)\/([^/]+)(?:\/log)?$/.exec(path) ?? [];
  return details?.kind === resource && name !== undefined && details?.name === decodeURIComponent(name);
}

function statusIn(text: string): Status | undefined {
  try {
    return decodeStatus(parseJson(text));
  } catch {
    return undefined;
  }
}

const CERTIFICATE = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH|ERR_OSSL_|ERR_SSL_)/;

/** The failure for an exception while connecting, sending or reading. */
export function explainError(error: unknown, server: string): Failure {
  if (error instanceof ClusterError) return { error, effect: 'none', remedy: 'none' };
  const proxy = error instanceof ProxyError ? error.proxy : undefined;
  const { code, message } = codeOf(proxy === undefined ? error : (error as Error).cause);
  const fail = (failure: ClusterFailure, text: string): ClusterError => new ClusterError(failure, text, { cause: error });
  if (CERTIFICATE.test(code)) {
    const expired = code === 'CERT_HAS_EXPIRED' ? ' The certificate has expired.' : '';
    const advice =
      proxy === undefined
        ? 'Check that certificate-authority-data, tls-server-name and the client certificate in the kubeconfig belong to this cluster.'
        : 'Add the certificate authority of the proxy to NODE_EXTRA_CA_CERTS.';
    return {
      error: fail(
        'certificate',
        `Could not establish a trusted TLS connection to ${proxy === undefined ? server : `the proxy ${proxy}`} (${code}: ${message}).${expired} ${advice}`,
      ),
      effect: 'none',
      remedy: 'none',
    };
  }
  const what =
    code === 'ECONNREFUSED'
      ? 'connection refused (ECONNREFUSED)'
      : code === 'ENOTFOUND' || code === 'EAI_AGAIN'
        ? `could not resolve the host name (${code})`
        : code
          ? `${message} (${code})`
          : message;
  const [through, advice] =
    proxy === undefined
      ? ['', 'Check the address, and that this runner can reach it (private endpoint, firewall, VPN).']
      : [` through the proxy ${proxy}`, 'Check proxy-url in the kubeconfig, or HTTPS_PROXY and NO_PROXY.'];
  const wasSent = proxy === undefined && code !== 'ECONNREFUSED' && code !== 'ENOTFOUND' && code !== 'EAI_AGAIN';
  return {
    error: fail('unreachable', `Could not reach the API server ${server}${through}: ${what}. ${advice}`),
    effect: wasSent ? 'unknown' : 'none',
    remedy: 'wait',
  };
}

function codeOf(error: unknown): { code: string; message: string } {
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { code = '', message = String(first) } = (first ?? {}) as NodeJS.ErrnoException;
  return { code, message };
}

/** The failure for an answer with an HTTP status of 2xx whose body could not be read or decoded. The request was processed, perhaps. */
export function explainBody(error: unknown, answer: Answer, server: string): Failure {
  if (error instanceof UnexpectedAnswer) return explainUnexpected(answer, server, error.message);
  // An incomplete answer is treated like a missing one.
  const isIncomplete = error instanceof SyntaxError && /^\s*\{/.test(answer.text);
  if (error instanceof SyntaxError && !isIncomplete) return explainUnexpected(answer, server, 'it is not JSON');
  return { ...explainError(isIncomplete ? new Error('the answer is incomplete') : error, server), effect: 'unknown' };
}
