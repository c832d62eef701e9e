import { ClusterError, type ClusterFailure } from './cluster.ts';
import { isRecord } from './entry.ts';
import { missingRule } from './permissions.ts';

/** The part of a call that a message names. */
interface Asked {
  method: string;
  path: string;
}

/** A `Status` of the Kubernetes API. */
interface Status {
  message?: string;
  details?: { causes?: { reason?: string; message?: string; field?: string }[] };
}

/** The failure that an HTTP status other than 2xx means. */
export function explainStatus(code: number, body: string, { method, path }: Asked, server: string): ClusterError {
  const status = parseStatus(body);
  const said = status.message ? `: ${status.message}` : '';
  const fail = (failure: ClusterFailure, message: string): ClusterError => new ClusterError(failure, message);
  switch (code) {
    case 401:
      return fail(
        'unauthorized',
        `The API server ${server} does not accept these credentials (401 Unauthorized). The token or certificate has expired, or belongs to another cluster: renew the kubeconfig, or run the cloud's login action right before this step.`,
      );
    case 403:
      return explainForbidden(status, path);
    case 404:
      return fail('not-found', `The API server ${server} answered 404 Not Found${said}`);
    case 410:
      return fail('expired', `The resource version is too old${said}`);
    case 422:
      return explainInvalid(status);
    case 400:
      if (/does not support dry run/i.test(status.message ?? '')) return fail('dry-run-unsupported', status.message ?? '');
      if (/admission webhook/i.test(status.message ?? ''))
        return fail('admission-denied', `An admission webhook refused the change${said}`);
      if (/unable to parse requirement|couldn't parse the selector|label selector/i.test(status.message ?? ''))
        return fail(
          'invalid-input',
          `Input selector: the API server does not understand it${said}. Write it as for kubectl --selector, such as app=agent,tier!=test.`,
        );
      break;
    default:
  }
  if (/admission webhook|failed calling webhook/i.test(status.message ?? ''))
    return fail('admission-denied', `An admission webhook stands in the way (status ${code})${said}`);
  return fail('api', `The API server ${server} answered ${method} ${path} with status ${code}${said}`);
}

function explainForbidden(status: Status, path: string): ClusterError {
  const message = status.message ?? '';
  const rbac = /cannot (\w+) resource "([\w/.-]+)"/.exec(message);
  if (!rbac) return new ClusterError('admission-denied', `The API server forbids the change: ${message || '403 Forbidden'}`);
  const [, verb = '', resource = ''] = rbac;
  const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1];
  const where = namespace !== undefined ? `in namespace ${namespace}` : resource === 'nodes' ? 'in the cluster' : 'in all namespaces';
  return new ClusterError(
    'forbidden',
    `The account is not allowed to ${verb} ${resource} ${where}. ${missingRule(resource, verb, namespace)}. The API server said: ${message}`,
  );
}

function explainInvalid(status: Status): ClusterError {
  const causes = status.details?.causes ?? [];
  if (/ValidatingAdmissionPolicy|admission webhook/.test(status.message ?? '')) {
    return new ClusterError('admission-denied', `Admission refused the change: ${status.message}`);
  }
  // A failed "test" of a JSON patch: something was changed in between.
  if (causes.length === 0) return new ClusterError('conflict', status.message ?? 'The patch does not fit the object.');
  // A patch may name the object that it is for, as the controllers' own do.
  if (causes.some(({ field }) => field === 'metadata.uid')) return new ClusterError('conflict', status.message ?? 'It is another object.');
  const list = causes.map(({ field, message }) => `${field ?? ''}: ${message ?? ''}`).join('; ');
  return new ClusterError('invalid-template', `The API server does not accept the template of that revision: ${list}`);
}

/** What of an answer is a `Status`; it may be anything, from whatever answers in the place of the API server. */
function parseStatus(body: string): Status {
  try {
    const { message, details } = JSON.parse(body) as { message?: unknown; details?: { causes?: unknown } | null };
    const causes = Array.isArray(details?.causes) ? details.causes.filter(isRecord) : [];
    return { ...(typeof message === 'string' && { message }), details: { causes } };
  } catch {
    return {};
  }
}

const CERTIFICATE = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH|ERR_OSSL_|ERR_SSL_)/;

/** The failure that an exception while connecting, sending or reading means. */
export function explainConnectionError(error: unknown, server: string): ClusterError {
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { code = '', message = String(first) } = (first ?? {}) as NodeJS.ErrnoException;
  if (CERTIFICATE.test(code)) {
    const expired = code === 'CERT_HAS_EXPIRED' ? ' It has expired.' : '';
    return new ClusterError(
      'certificate',
      `The TLS connection to ${server} cannot be trusted or set up (${code}: ${message}).${expired} Check certificate-authority-data, tls-server-name and the client certificate in the kubeconfig: is it of this cluster?`,
      { cause: error },
    );
  }
  const what =
    code === 'ECONNREFUSED'
      ? 'nothing listens there (ECONNREFUSED)'
      : code === 'ENOTFOUND' || code === 'EAI_AGAIN'
        ? `its host name cannot be resolved (${code})`
        : code
          ? `${message} (${code})`
          : message;
  return new ClusterError(
    'unreachable',
    `The API server ${server} cannot be reached: ${what}. Is the address right, and may this runner reach it (private endpoint, firewall, VPN)?`,
    { cause: error },
  );
}
