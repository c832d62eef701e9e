/** The cost of a rollback in requests and connections; `npm run bench` measures time and memory. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PassThrough } from '../../bench/pass-through.ts';
import { expectStep, Fleet, LOG_WHEN_IDLE, PLAIN_ROLLBACK } from '../helpers/support.ts';

describe('a rollback', () => {
  let fleet: Fleet;
  let through: PassThrough;
  beforeEach(async () => {
    fleet = await Fleet.create();
    through = await PassThrough.inFrontOf(fleet.testbed);
    for (const tag of ['v1', 'v2', 'v3']) await fleet.rollOut(tag, { maxUnavailable: '100%' });
  });
  afterEach(async () => {
    through.stop();
    await fleet.remove();
  });

  test('sends eight requests over two connections, and a ninth, which sets the good mark; nothing stays open', async () => {
    const first = await fleet.rollback({ kubeconfig: through.kubeconfig, 'stable-for': '0' }, { NODE_OPTIONS: LOG_WHEN_IDLE });
    expectStep(first, { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(first.log).toMatch(/^nothing-is-open$/m);
    // The watch occupies the first connection until it ends, so that the pods are listed over another.
    expect([through.connections, through.handshakes]).toEqual([2, 2]);
    const marked = [...PLAIN_ROLLBACK, 'patch controllerrevisions'];
    expect(await fleet.requestsOnce(marked.length)).toEqual(marked);

    await fleet.rollOut('v3', { maxUnavailable: '100%' });
    expectStep(await fleet.rollback({ kubeconfig: through.kubeconfig, 'stable-for': '0' }), {
      code: 0,
      outputs: { outcome: 'rolled-back' },
    });
    expect(await fleet.requestsOnce(marked.length + PLAIN_ROLLBACK.length)).toEqual([...marked, ...PLAIN_ROLLBACK]);
    expect([through.connections, through.handshakes]).toEqual([4, 4]);
  });

  test('leaves nothing open after a failure', async () => {
    await fleet.deploy('v4-missing', { maxUnavailable: '100%' });
    const gate = await fleet.rollback(
      { kubeconfig: through.kubeconfig, command: 'status', 'failure-grace': '1s' },
      { NODE_OPTIONS: LOG_WHEN_IDLE },
    );
    expectStep(gate, { code: 1, outputs: { outcome: 'failed' } });
    expect(gate.log).toMatch(/^nothing-is-open$/m);
  });
});

test('the bundles are small, are ASCII, and contain only packages that are used', () => {
  const bundle = readFileSync('dist/index.js', 'utf8');
  expect(bundle.length).toBeLessThan(375_000);
  const commandLine = readFileSync('dist/cli.js', 'utf8');
  expect(commandLine.length).toBeLessThan(430_000);
  for (const text of [bundle, commandLine]) expect(text).toMatch(/^[\0-\x7f]*$/);
  const packages = [...readFileSync('dist/licenses.txt', 'utf8').matchAll(/^(\S+) \d+\.\d+\.\d+\S* \(/gm)].map(([, name]) => name);
  expect(packages).toEqual([
    '@actions/core',
    '@actions/github',
    '@kubernetes/client-node',
    '@octokit/auth-token',
    '@octokit/core',
    '@octokit/endpoint',
    '@octokit/graphql',
    '@octokit/plugin-paginate-rest',
    '@octokit/request',
    '@octokit/request-error',
    'before-after-hook',
    'content-type',
    'get-east-asian-width',
    'ip-address',
    'js-yaml',
    'json-with-bigint',
    'p-limit',
    'smart-buffer',
    'socks',
    'string-width',
    'ansi-regex',
    'strip-ansi',
    'universal-user-agent',
    'valibot',
    'yocto-queue',
  ]);
});
