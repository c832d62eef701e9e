import { ClusterError, type ClusterFailure } from './cluster.ts';
import { isRecord } from './entry.ts';
import { missingRule } from './permissions.ts';

/** The parts of a call that a message uses. */
interface Asked {
  method: string;
  path: string;
}

/** A `Status` of the Kubernetes API. */
interface Status {
  message?: string;
  details?: { causes?: { reason?: string; message?: string; field?: string }[] };
}

/** The failure for an HTTP status other than 2xx. */
export function explainStatus(code: number, body: string, { method, path }: Asked, server: string): ClusterError {
  const status = parseStatus(body);
  const detail = status.message ? `: ${status.message}` : '';
  const fail = (failure: ClusterFailure, message: string): ClusterError => new ClusterError(failure, message);
  switch (code) {
    case 401:
      return fail(
        'unauthorized',
        `The API server ${server} rejected the credentials (401 Unauthorized). The token or certificate has expired or belongs to another cluster. Renew the kubeconfig, or run your cloud provider's login action right before this step.`,
      );
    case 403:
      return explainForbidden(status, path);
    case 404:
      return fail('not-found', `The API server ${server} returned 404 Not Found${detail}`);
    case 410:
      return fail('expired', `The resource version is too old${detail}`);
    case 422:
      return explainInvalid(status);
    case 400:
      if (/does not support dry run/i.test(status.message ?? '')) return fail('dry-run-unsupported', status.message ?? '');
      if (/admission webhook/i.test(status.message ?? ''))
        return fail('admission-denied', `An admission webhook denied the change${detail}`);
      if (/unable to parse requirement|couldn't parse the selector|label selector/i.test(status.message ?? ''))
        return fail(
          'invalid-input',
          `Input selector: the API server could not parse it${detail}. Use the syntax of kubectl --selector, such as app=agent,tier!=test.`,
        );
      break;
    default:
  }
  if (/admission webhook|failed calling webhook/i.test(status.message ?? ''))
    return fail('admission-denied', `An admission webhook blocked the change (status ${code})${detail}`);
  return fail('api', `The API server ${server} returned status ${code} for ${method} ${path}${detail}`);
}

function explainForbidden(status: Status, path: string): ClusterError {
  const message = status.message ?? '';
  const rbac = /cannot (\w+) resource "([\w/.-]+)"/.exec(message);
  if (!rbac) return new ClusterError('admission-denied', `The API server denied the request: ${message || '403 Forbidden'}`);
  const [, verb = '', resource = ''] = rbac;
  const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1];
  const where = namespace !== undefined ? `in namespace ${namespace}` : resource === 'nodes' ? 'in the cluster' : 'in all namespaces';
  return new ClusterError(
    'forbidden',
    `The account is not allowed to ${verb} ${resource} ${where}. ${missingRule(resource, verb, namespace)}. The API server returned: ${message}`,
  );
}

function explainInvalid(status: Status): ClusterError {
  const causes = status.details?.causes ?? [];
  if (/ValidatingAdmissionPolicy|admission webhook/.test(status.message ?? '')) {
    return new ClusterError('admission-denied', `An admission policy or webhook denied the change: ${status.message}`);
  }
  // A "test" operation of the JSON patch failed: the object was changed in the meantime.
  if (causes.length === 0)
    return new ClusterError('conflict', status.message ?? 'The patch does not match the object. It was changed in the meantime.');
  // A patch can contain the UID of its object, as the patches of the controllers do.
  if (causes.some(({ field }) => field === 'metadata.uid'))
    return new ClusterError('conflict', status.message ?? 'Another object has this name now.');
  const list = causes.map(({ field, message }) => `${field ?? ''}: ${message ?? ''}`).join('; ');
  return new ClusterError('invalid-template', `The API server rejected the template of this revision: ${list}. Restore another revision.`);
}

/** The fields of an answer that is a `Status`. It can be anything, because the sender may not be the API server. */
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

/** The failure for an exception while connecting, sending or reading. */
export function explainConnectionError(error: unknown, server: string): ClusterError {
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { code = '', message = String(first) } = (first ?? {}) as NodeJS.ErrnoException;
  if (CERTIFICATE.test(code)) {
    const expired = code === 'CERT_HAS_EXPIRED' ? ' The certificate has expired.' : '';
    return new ClusterError(
      'certificate',
      `Could not establish a trusted TLS connection to ${server} (${code}: ${message}).${expired} Check that certificate-authority-data, tls-server-name and the client certificate in the kubeconfig belong to this cluster.`,
      { cause: error },
    );
  }
  const what =
    code === 'ECONNREFUSED'
      ? 'connection refused (ECONNREFUSED)'
      : code === 'ENOTFOUND' || code === 'EAI_AGAIN'
        ? `could not resolve the host name (${code})`
        : code
          ? `${message} (${code})`
          : message;
  return new ClusterError(
    'unreachable',
    `Could not reach the API server ${server}: ${what}. Check the address, and that this runner can reach it (private endpoint, firewall, VPN).`,
    { cause: error },
  );
}
