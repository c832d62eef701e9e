import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DEFAULTS, InputError, readInputs } from '../../src/inputs.ts';

const environment = (inputs: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries({ daemonset: 'agent', ...inputs }).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]));

const named = (...daemonSets: object[]): object => ({ kind: 'named', daemonSets });

function mistakesOf(inputs: Record<string, string>): string[] {
  try {
    readInputs(environment(inputs));
    return [];
  } catch (error) {
    if (error instanceof InputError) return error.mistakes;
    throw error;
  }
}

describe('readInputs', () => {
  test('the defaults', () => {
    expect(readInputs(environment({}))).toEqual({
      command: 'rollback',
      daemonSets: named({ namespace: undefined, name: 'agent' }),
      toRevision: { kind: 'previous' },
      expectedRevision: undefined,
      changeCause: undefined,
      wait: true,
      dryRun: false,
      kubeconfig: 'auto',
      context: undefined,
      timeout: 600_000,
      showValues: false,
      execPlugins: ['aws', 'aws-iam-authenticator', 'gke-gcloud-auth-plugin', 'kubelogin', 'kubectl-oidc_login', 'doctl', 'oci', 'tsh'],
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
      { command: 'status', 'expected-revision': '3' },
      { command: 'status', expectedRevision: { kind: 'number', number: 3 }, wait: true },
    ],
    [{ 'expected-revision': 'any' }, { expectedRevision: undefined }],
    [{ 'change-cause': 'broke the nodes' }, { changeCause: 'broke the nodes' }],
    [{ command: 'history', revision: '2' }, { revision: { kind: 'number', number: 2 } }],
    [
      { command: 'history', 'show-values': 'true' },
      { command: 'history', showValues: true },
    ],
    [{ 'to-revision': '7' }, { toRevision: { kind: 'number', number: 7 } }],
    [{ 'to-revision': 'agent-5fb484bc78' }, { toRevision: { kind: 'name', name: 'agent-5fb484bc78' } }],
    [{ timeout: '90' }, { timeout: 90_000 }],
    [{ wait: 'FALSE' }, { wait: false }],
    [{ 'exec-plugins': 'any' }, { execPlugins: 'any' }],
    [{ 'exec-plugins': '/opt/bin/login\naws' }, { execPlugins: ['/opt/bin/login', 'aws'] }],
  ])('%j', (inputs, expected) => {
    expect(readInputs(environment(inputs as Record<string, string>))).toMatchObject(expected);
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
    ['command', { command: 'undo' }],
  ])('a mistake in %s: %j', (name, inputs) => {
    const mistakes = mistakesOf(inputs as Record<string, string>);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(new RegExp(`^Input ${name}: `));
  });

  test('all mistakes are told at once', () => {
    expect(mistakesOf({ daemonset: '', kubeconfig: '', timeout: 'soon', wait: '?' })).toHaveLength(4);
  });

  test('any text gives a request or an InputError', () => {
    const names = Object.keys(DEFAULTS);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' })), (inputs) => {
        mistakesOf(inputs);
      }),
    );
  });

  test('an empty kubeconfig is never taken for "auto"', () => {
    expect(() => readInputs({ INPUT_DAEMONSET: 'agent', INPUT_KUBECONFIG: '' })).toThrow(/secret missing/);
  });
});
