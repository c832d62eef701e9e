import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { INPUT_NAMES } from '../../src/inputs/definitions.ts';
import { fromStep, InputError, type Request, readInputs } from '../../src/inputs/parse.ts';

const environment = (inputs: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries({ daemonset: 'agent', ...inputs }).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]));

const requestFrom = (inputs: Record<string, string>, isPrivate = false): Request =>
  readInputs(fromStep(environment(inputs)), { isPrivate });

const named = (...daemonSets: object[]): object => ({ kind: 'named', daemonSets });

function mistakesOf(inputs: Record<string, string>): string[] {
  try {
    requestFrom(inputs);
    return [];
  } catch (error) {
    if (error instanceof InputError) return error.mistakes;
    throw error;
  }
}

describe('readInputs', () => {
  test('returns the defaults', () => {
    expect(requestFrom({})).toEqual({
      command: 'rollback',
      daemonSets: named({ namespace: undefined, name: 'agent' }),
      toRevision: { kind: 'previous' },
      expectedRevision: undefined,
      changeCause: undefined,
      hold: false,
      wait: true,
      dryRun: false,
      kubeconfig: 'auto',
      context: undefined,
      timeoutMs: 600_000,
      preflight: 'enforce',
      showValues: false,
      limits: {
        stableFor: 'auto',
        progressDeadlineMs: 300_000,
        failFast: true,
        failureGraceMs: 30_000,
        tolerateUnavailable: { nodes: 0 },
        logLines: 0,
      },
      execPlugins: ['known'],
    });
  });

  test.each([
    [{ daemonset: 'kube-system/cilium' }, { daemonSets: named({ namespace: 'kube-system', name: 'cilium' }) }],
    [{ namespace: 'logging' }, { daemonSets: named({ namespace: 'logging', name: 'agent' }) }],
    [{ daemonset: 'a/b', namespace: 'c' }, { daemonSets: named({ namespace: 'a', name: 'b' }) }],
    [
      { daemonset: 'one, a/two\nthree', namespace: 'c' },
      { daemonSets: named({ namespace: 'c', name: 'one' }, { namespace: 'a', name: 'two' }, { namespace: 'c', name: 'three' }) },
    ],
    [{ daemonset: '', selector: 'tier=node' }, { daemonSets: { kind: 'selected', selector: 'tier=node', namespace: undefined } }],
    [
      { daemonset: '', selector: 'a in (b,c)', namespace: '*' },
      { daemonSets: { kind: 'selected', selector: 'a in (b,c)', namespace: '*' } },
    ],
    [
      { command: 'status', 'rollback-on-failure': 'true' },
      { rollback: { toRevision: { kind: 'last-good' }, changeCause: undefined, hold: false, onTimeout: false } },
    ],
    [
      { command: 'status', 'rollback-on-failure': 'true', 'rollback-on-timeout': 'true', 'to-revision': 'previous', 'change-cause': 'x' },
      { rollback: { toRevision: { kind: 'previous' }, changeCause: 'x', hold: false, onTimeout: true } },
    ],
    [
      { command: 'guard', 'job-status': 'failure', 'expected-revision': '' },
      { command: 'guard', jobStatus: 'failure', expected: undefined, onCancel: false, ifAmbiguous: false },
    ],
    [
      { command: 'guard', 'rollback-on-cancel': 'true', 'rollback-if-ambiguous': 'true', 'expected-revision': '7' },
      { expected: { kind: 'number', number: 7 }, onCancel: true, ifAmbiguous: true },
    ],
    [
      { command: 'status', 'expected-revision': '3' },
      { command: 'status', expectedRevision: { kind: 'number', number: 3 }, wait: true },
    ],
    [{ 'expected-revision': 'any' }, { expectedRevision: undefined }],
    [{ command: 'guard' }, { deployed: undefined }],
    [{ command: 'guard', 'deploy-outcome': '' }, { deployed: false }],
    [{ command: 'guard', 'deploy-outcome': 'skipped' }, { deployed: false }],
    [{ command: 'guard', 'deploy-outcome': 'success' }, { deployed: true }],
    [
      { command: 'guard', 'deploy-outcome': 'failure', 'expected-revision': '' },
      { deployed: true, expected: undefined },
    ],
    [{ command: 'guard', 'deploy-outcome': 'cancelled' }, { deployed: true }],
    [
      { command: 'guard', 'expected-revision': '' },
      { deployed: false, expected: undefined },
    ],
    [{ hold: 'true' }, { hold: true }],
    [{ command: 'guard', hold: 'true' }, { hold: true }],
    [{ command: 'status', 'rollback-on-failure': 'true', hold: 'true' }, { rollback: { hold: true } }],
    [
      { command: 'release', 'dry-run': 'true' },
      { command: 'release', dryRun: true },
    ],
    [{ 'change-cause': 'broke the nodes' }, { changeCause: 'broke the nodes' }],
    [{ command: 'history', revision: '2' }, { revision: { kind: 'number', number: 2 } }],
    [
      { command: 'history', 'show-values': 'true' },
      { command: 'history', showValues: true },
    ],
    [{ 'to-revision': 'last-good' }, { toRevision: { kind: 'last-good' } }],
    [{ 'to-revision': '7' }, { toRevision: { kind: 'number', number: 7 } }],
    [{ 'to-revision': 'agent-5fb484bc78' }, { toRevision: { kind: 'name', name: 'agent-5fb484bc78' } }],
    [{ timeout: '90' }, { timeoutMs: 90_000 }],
    [{ wait: 'FALSE' }, { wait: false }],
    [{ 'exec-plugins': 'any' }, { execPlugins: 'any' }],
    [{ 'exec-plugins': 'none' }, { execPlugins: [] }],
    [{ 'exec-plugins': 'known, my-login' }, { execPlugins: ['known', 'my-login'] }],
    [{ context: 'auto' }, { context: undefined }],
    [{ context: 'production' }, { context: 'production' }],
    [{ namespace: 'auto' }, { daemonSets: named({ namespace: undefined, name: 'agent' }) }],
    [
      { daemonset: '', selector: 'tier=node', namespace: 'auto' },
      { daemonSets: { kind: 'selected', selector: 'tier=node', namespace: undefined } },
    ],
    ...['ds', 'daemonset', 'daemonsets', 'daemonset.apps', 'daemonsets.apps', 'daemonsets.v1.apps'].map(
      (kind) =>
        [{ daemonset: `${kind}/agent`, namespace: 'logging' }, { daemonSets: named({ namespace: 'logging', name: 'agent' }) }] as const,
    ),
    [{ daemonset: 'ds/agent' }, { daemonSets: named({ namespace: undefined, name: 'agent' }) }],
    [{ daemonset: 'agent', namespace: 'ds' }, { daemonSets: named({ namespace: 'ds', name: 'agent' }) }],
    [{ kubeconfig: '\n  a: 1\n  b: 2\n\n' }, { kubeconfig: '  a: 1\n  b: 2' }],
    [{ kubeconfig: ' ~/.kube/config \n' }, { kubeconfig: '~/.kube/config' }],
    [{ 'exec-plugins': '/opt/bin/login\naws' }, { execPlugins: ['/opt/bin/login', 'aws'] }],
  ])('%j', (inputs, expected) => {
    expect(requestFrom(inputs as Record<string, string>)).toMatchObject(expected);
  });

  test.each([
    ['daemonset', { daemonset: '' }],
    ['daemonset', { daemonset: 'a/b/c' }],
    ['daemonset', { daemonset: 'Agent' }],
    ['daemonset', { daemonset: '/agent' }],
    ['daemonset', { daemonset: 'one, Two' }],
    ['selector', { selector: 'app=agent' }],
    ['namespace', { namespace: '*' }],
    ['expected-revision', { 'expected-revision': '' }],
    ['expected-revision', { 'expected-revision': '-3' }],
    ['revision', { revision: '3' }],
    ['revision', { command: 'history', revision: 'No Such' }],
    ['namespace', { namespace: 'no_underscores' }],
    ['namespace', { namespace: '' }],
    ['namespace', { namespace: ' ' }],
    ['namespace', { namespace: '..' }],
    ['namespace', { namespace: 'a.b' }],
    ['context', { context: '' }],
    ['context', { context: '\n' }],
    ['daemonset', { daemonset: 'logging/ds/agent' }],
    ['daemonset', { daemonset: 'pod/Agent' }],
    ['daemonset', { daemonset: '../agent' }],
    ['exec-plugins', { 'exec-plugins': 'any, aws' }],
    ['exec-plugins', { 'exec-plugins': 'none, aws' }],
    ['kubeconfig', { kubeconfig: '' }],
    ['kubeconfig', { kubeconfig: '  \n' }],
    ['to-revision', { 'to-revision': '' }],
    ['to-revision', { 'to-revision': '0' }],
    ['to-revision', { 'to-revision': '-1' }],
    ['to-revision', { 'to-revision': '99999999999999999999' }],
    ['timeout', { timeout: '5x' }],
    ['timeout', { timeout: '0' }],
    ['timeout', { timeout: '9999h' }],
    ['wait', { wait: 'yes' }],
    ['dry-run', { 'dry-run': '1' }],
    ['show-values', { 'show-values': 'no' }],
    ['hold', { hold: 'yes' }],
    ['hold', { command: 'status', hold: 'true' }],
    ['hold', { command: 'history', hold: 'true' }],
    ['hold', { command: 'release', hold: 'true' }],
    ['command', { command: 'undo' }],
    ['rollback-on-failure', { 'rollback-on-failure': 'true' }],
    ['rollback-on-failure', { command: 'status', 'rollback-on-failure': 'true', wait: 'false' }],
    ['rollback-on-timeout', { command: 'status', 'rollback-on-timeout': 'true' }],
    ['rollback-on-timeout', { command: 'guard', 'rollback-on-timeout': 'true' }],
    ['rollback-on-cancel', { command: 'status', 'rollback-on-cancel': 'true' }],
    ['rollback-if-ambiguous', { command: 'history', 'rollback-if-ambiguous': 'true' }],
    ['expected-revision', { command: 'guard', 'expected-revision': 'Not A Name' }],
    ['deploy-outcome', { command: 'guard', 'deploy-outcome': 'done' }],
    ['deploy-outcome', { command: 'status', 'deploy-outcome': 'success' }],
  ])('reports a mistake in %s: %j', (name, inputs) => {
    const mistakes = mistakesOf(inputs as Record<string, string>);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(new RegExp(`^Input ${name}: `));
  });

  test('reports all mistakes at once', () => {
    expect(mistakesOf({ daemonset: '', kubeconfig: '', timeout: 'soon', wait: '?' })).toHaveLength(4);
  });

  test('any text gives a request or an InputError', () => {
    const names: string[] = INPUT_NAMES;
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' })), (inputs) => {
        mistakesOf(inputs);
      }),
    );
  });

  test.each(['namespace', 'daemonset'])('does not quote a secret that was passed as %s', (name) => {
    const secret = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSJ9.c2lnbmF0dXJl';
    const text = `apiVersion: v1 token: ${secret}`;
    for (const value of [secret, text]) {
      const mistakes = mistakesOf({ [name]: value }).join();
      expect(mistakes).toMatch(new RegExp(`^Input ${name}: .*not shown`));
      expect(mistakes).not.toContain('eyJ');
    }
  });

  test('an empty kubeconfig never counts as auto', () => {
    expect(() => readInputs(fromStep({ INPUT_DAEMONSET: 'agent', INPUT_KUBECONFIG: '' }), { isPrivate: false })).toThrow(/secret missing/);
  });
});

describe('the limits of the wait', () => {
  const limitsOf = (inputs: Record<string, string>, isPrivate = false): object => {
    const request = requestFrom(inputs, isPrivate);
    return 'limits' in request ? request.limits : {};
  };

  test.each<[Record<string, string>, object]>([
    [{ 'tolerate-unavailable': '2' }, { tolerateUnavailable: { nodes: 2 } }],
    [{ 'tolerate-unavailable': '5%' }, { tolerateUnavailable: { percent: 5 } }],
    [{}, { stableFor: 'auto' }],
    [{ 'stable-for': 'auto' }, { stableFor: 'auto' }],
    [{ 'stable-for': '' }, { stableFor: 'auto' }],
    [{ 'stable-for': '0' }, { stableFor: 0 }],
    [{ 'stable-for': '1m' }, { stableFor: 60_000 }],
    [{ 'progress-deadline': '0' }, { progressDeadlineMs: 0 }],
    [
      { 'failure-grace': '1m30s', 'fail-fast': 'false' },
      { failureGraceMs: 90_000, failFast: false },
    ],
    [{ 'log-lines': '7' }, { logLines: 7 }],
  ])('%j', (inputs, expected) => {
    expect(limitsOf(inputs)).toMatchObject(expected);
    expect(limitsOf({ ...inputs, command: 'status' })).toMatchObject(expected);
  });

  test('container logs are shown by default only in a private repository', () => {
    expect(limitsOf({}, true)).toMatchObject({ logLines: 20 });
    expect(limitsOf({}, false)).toMatchObject({ logLines: 0 });
    expect(limitsOf({ 'log-lines': '3' }, false)).toMatchObject({ logLines: 3 });
  });

  test.each([
    ['tolerate-unavailable', '101%'],
    ['tolerate-unavailable', '-1'],
    ['tolerate-unavailable', 'some'],
    ['stable-for', 'long'],
    ['stable-for', '-1s'],
    ['progress-deadline', 'soon'],
    ['failure-grace', '-5s'],
    ['log-lines', '501'],
    ['log-lines', 'all'],
  ])('the mistake %s: %s is reported with the name of the input', (input, value) => {
    expect(mistakesOf({ [input]: value })).toEqual([expect.stringMatching(new RegExp(`^Input ${input}: "${value}"`))]);
  });
});

describe('notifications to GitHub', () => {
  const token = { 'github-token': 't0ken' };
  test.each<[Record<string, string>, object | undefined]>([
    [token, undefined],
    [
      { ...token, comment: 'true' },
      { token: 't0ken', comment: true, deploymentStatus: false },
    ],
    [
      { ...token, 'deployment-status': 'TRUE', command: 'status' },
      { token: 't0ken', comment: false, deploymentStatus: true },
    ],
  ])('%j', (inputs, notifications) => {
    expect(requestFrom(inputs).notifications).toEqual(notifications);
  });

  test.each([
    [{ comment: 'true' }, 'permissions: pull-requests: write.'],
    [{ 'deployment-status': 'true', 'github-token': ' ' }, 'permissions: deployments: write.'],
    [{ 'deployment-status': 'true', comment: 'true' }, 'permissions: pull-requests: write, deployments: write.'],
  ])('%j without a token is a mistake, and the message names the token and the permissions', (inputs, permissions) => {
    const [mistake, ...others] = mistakesOf(inputs as Record<string, string>);
    expect(others).toEqual([]);
    expect(mistake).toMatch(/^Input github-token: .*"\$\{\{ github\.token \}\}"/);
    expect(mistake).toContain(permissions);
  });
});
