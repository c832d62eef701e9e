import { describe, expect, test } from '@jest/globals';
import { explainAnswer, explainError, type Failure } from '../../../src/cluster/errors.ts';
import { ProxyError } from '../../../src/cluster/tunnel.ts';

const SERVER = 'https://c.example';
const PATH = '/apis/apps/v1/namespaces/logging/daemonsets/agent';

const status = (code: number, message?: string, more: object = {}): string =>
  JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, ...(message && { message }), ...more });

const explain = (code: number, text: string, method = 'PATCH', path = PATH, type = 'application/json'): Failure =>
  explainAnswer({ status: code, type, text }, { method, path }, SERVER);

const NOT_FOUND = { reason: 'NotFound', details: { name: 'agent', group: 'apps', kind: 'daemonsets' } };
const RBAC =
  'daemonsets.apps "agent" is forbidden: User "u" cannot patch resource "daemonsets" in API group "apps" in the namespace "logging"';

describe('an answer of the API server', () => {
  test.each<[number, string, string, Failure['effect'], Failure['remedy'], RegExp]>([
    [400, status(400, 'admission webhook "w" does not support dry run'), 'dry-run-unsupported', 'none', 'none', /"w"/],
    [400, status(400, 'unable to parse requirement: <nil>'), 'invalid-input', 'none', 'none', /^Input selector: .*kubectl --selector/],
    [400, status(400, 'bad'), 'api', 'none', 'none', /status 400 for PATCH \/apis.*: bad/],
    [401, status(401), 'unauthorized', 'none', 'renew-credentials', /Renew the kubeconfig/],
    [403, status(403, RBAC), 'forbidden', 'none', 'wait-if-starting', /Role in namespace logging.*\["daemonsets"\], verbs: \["patch"\]/],
    [403, status(403, 'agent is forbidden: not yet ready to handle request'), 'admission-denied', 'none', 'wait', /not yet ready/],
    [404, status(404, 'daemonsets.apps "agent" not found', NOT_FOUND), 'not-found', 'none', 'none', /"agent" not found/],
    [409, status(409, 'the object has been modified'), 'conflict', 'none', 'wait-briefly', /modified/],
    [410, status(410, 'too old'), 'expired', 'none', 'none', /too old/],
    [422, status(422, 'the server rejected our request', { details: {} }), 'conflict', 'none', 'none', /rejected/],
    [
      422,
      status(422, 'invalid', { details: { causes: [{ field: 'spec.x', message: 'Required value' }] } }),
      'invalid-template',
      'none',
      'none',
      /spec\.x: Required value\. Restore another revision/,
    ],
    [422, status(422, 'immutable', { details: { causes: [{ field: 'metadata.uid' }] } }), 'conflict', 'none', 'none', /immutable/],
    [429, status(429), 'api', 'none', 'wait', /overloaded/],
    [429, 'Too many requests, please try again later.\n', 'api', 'none', 'wait', /overloaded/],
    [500, status(500, 'etcd'), 'api', 'unknown', 'wait', /status 500.*: etcd/],
    [503, status(503), 'api', 'unknown', 'wait', /status 503/],
    [504, status(504), 'api', 'unknown', 'wait', /status 504/],
  ])('%d %s is %s', (code, text, failure, effect, remedy, message) => {
    const explained = explain(code, text);
    expect(explained).toMatchObject({ effect, remedy, error: { failure } });
    expect(explained.error.message).toMatch(message);
  });
});

describe('admission', () => {
  const warden =
    'GKE Warden rejected the request because it violates one or more constraints. Violations details: {"[denied by x]":["no"]}';
  test.each([
    [403, `admission webhook "w" denied the request: User "u" cannot patch resource "daemonsets" in API group "apps"`],
    [404, 'admission webhook "w" denied the request: not found'],
    [500, 'admission webhook "w" denied the request: internal'],
    [403, warden],
    [403, `admission webhook "warden-validating.common-webhooks.networking.gke.io" denied the request: ${warden}`],
    [403, 'policy says no'],
    [422, "daemonsets.apps \"agent\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"],
  ])('%d %j is a denial, which is final', (code, message) => {
    expect(explain(code, status(code, message))).toMatchObject({ effect: 'none', remedy: 'none', error: { failure: 'admission-denied' } });
    expect(explain(code, status(code, message)).error.message).not.toMatch(/Add this rule/);
  });

  test('a webhook that fails is not a denial', () => {
    const message =
      'Internal error occurred: failed calling webhook "w": failed to call webhook: Post "https://w.x.svc:443/?timeout=1s": context deadline exceeded';
    expect(explain(500, status(500, message, { reason: 'InternalError' }))).toMatchObject({
      effect: 'none',
      remedy: 'wait-briefly',
      error: { failure: 'admission-denied' },
    });
  });

  test('a read that is forbidden, but not by RBAC, is forbidden', () => {
    expect(explain(403, status(403, 'not from here'), 'GET').error).toMatchObject({ failure: 'forbidden' });
  });
});

describe('an answer that is not from a Kubernetes API server', () => {
  test.each<[number, string, string]>([
    [404, 'text/plain', '404 page not found\n'],
    [404, 'application/json', '{"message":"Not Found"}'],
    [404, 'application/json', JSON.stringify({ kind: 'Status', message: 'no apiVersion', reason: 'NotFound' })],
    [403, 'text/html', '<html>blocked</html>'],
    [403, 'application/json', JSON.stringify({ message: RBAC })],
    [302, 'text/html', ''],
    [101, '', ''],
    [409, '', 'conflict'],
    [410, '', 'gone'],
    [422, '', '{}'],
    [500, 'text/html', '<html>'],
    [502, 'text/html', '<html><title>502 Bad Gateway</title></html>'],
    [503, 'application/json', 'null'],
  ])('%d, %s, %j', (code, type, text) => {
    const explained = explain(code, text, 'GET', PATH, type);
    expect(explained).toMatchObject({ effect: 'unknown', remedy: 'wait', error: { failure: 'unreachable' } });
    const what = type === '' ? `(${code})` : `(${code}, ${type})`;
    expect(explained.error.message).toContain(`is not from a Kubernetes API server ${what}`);
  });

  test('401 of a gateway that authenticates: new credentials can help, and a write was not processed', () => {
    expect(explain(401, '<html>log in</html>')).toMatchObject({
      effect: 'none',
      remedy: 'renew-or-wait',
      error: { failure: 'unreachable' },
    });
  });

  test('is quoted without markup and control characters, and not in full', () => {
    const page = `<html><style>a{}</style><script>alert(1)</script><h1>502\r\n\u001b[31mBad\u2028Gateway</h1>${'x '.repeat(500)}`;
    const { message } = explain(502, page, 'GET', PATH, 'text/html; charset=utf-8').error;
    expect(message).toContain('(502, text/html)');
    expect(message).toMatch(/begins with: 502 \[31mBad Gateway (x )+x?…$/);
    expect(message.length).toBeLessThan(500);
  });
});

describe('a 404 of the API server is not-found only for the object that was requested', () => {
  test.each<[string, object, boolean]>([
    [PATH, NOT_FOUND, true],
    ['/api/v1/namespaces/logging/pods/agent/log', { reason: 'NotFound', details: { name: 'agent', kind: 'pods' } }, true],
    [PATH, { reason: 'NotFound', details: { name: 'other', kind: 'daemonsets' } }, false],
    [PATH, { reason: 'NotFound', details: { name: 'agent', kind: 'pods' } }, false],
    [PATH, { reason: 'NotFound', details: {} }, false],
    [PATH, { reason: 'NotFound' }, false],
    [PATH, { reason: 'Gone', details: NOT_FOUND.details }, false],
    [PATH, { reason: 404, details: NOT_FOUND.details }, false],
    [PATH, { reason: 'NotFound', details: 'agent' }, false],
    ['/apis/apps/v1/namespaces/logging/daemonsets', { reason: 'NotFound', details: { name: 'daemonsets', kind: 'logging' } }, false],
  ])('%s %j: %s', (path, more, isNotFound) => {
    expect(explain(404, status(404, 'x', more), 'GET', path).error.failure).toBe(isNotFound ? 'not-found' : 'api');
  });
});

describe('an exception', () => {
  const failed = (code: string, message = 'it failed'): Error => Object.assign(new Error(message), { code });
  test.each<[Error, string, Failure['effect'], Failure['remedy'], RegExp]>([
    [failed('ECONNREFUSED'), 'unreachable', 'none', 'wait', /Could not reach the API server https:\/\/c\.example: connection refused/],
    [failed('ENOTFOUND'), 'unreachable', 'none', 'wait', /could not resolve the host name/],
    [failed('ECONNRESET', 'socket hang up'), 'unreachable', 'unknown', 'wait', /socket hang up \(ECONNRESET\)/],
    [new Error('no answer within 30 s'), 'unreachable', 'unknown', 'wait', /no answer within 30 s/],
    [new AggregateError([failed('ECONNREFUSED')]), 'unreachable', 'none', 'wait', /connection refused/],
    [failed('CERT_HAS_EXPIRED'), 'certificate', 'none', 'none', /The certificate has expired.*kubeconfig/],
    [new ProxyError('http://p:1', failed('ECONNRESET')), 'unreachable', 'none', 'wait', /through the proxy http:\/\/p:1.*NO_PROXY/],
    [new ProxyError('https://p:1', failed('CERT_HAS_EXPIRED')), 'certificate', 'none', 'none', /the proxy https:\/\/p:1.*NODE_EXTRA_CA/],
  ])('%p', (error, failure, effect, remedy, message) => {
    const explained = explainError(error, SERVER);
    expect(explained).toMatchObject({ effect, remedy, error: { failure } });
    expect(explained.error.message).toMatch(message);
  });
});
