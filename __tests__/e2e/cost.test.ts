/** What a rollback costs, in counts; `npm run bench` measures times and memory. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PassThrough } from '../../bench/pass-through.ts';
import { eventually, expectStep, Fleet, TELL_WHEN_IDLE } from './support.ts';

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

  const plain = ['get daemonsets', 'list controllerrevisions', 'patch daemonsets dryRun', 'patch daemonsets', 'watch daemonsets'];

  test('is five requests over one connection, and a sixth over another that marks the version as good; nothing stays open', async () => {
    const first = await fleet.rollback({ kubeconfig: through.kubeconfig }, { NODE_OPTIONS: TELL_WHEN_IDLE });
    expectStep(first, { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(first.log).toMatch(/^nothing-is-open$/m);
    // The watch has held the first to its end.
    expect([through.connections, through.handshakes]).toEqual([2, 2]);
    const marked = [...plain, 'patch controllerrevisions'];
    const requests = (count: number): Promise<string[]> =>
      eventually(
        'the audit log',
        () => fleet.requests(),
        (all) => all.length >= count,
      );
    expect(await requests(marked.length)).toEqual(marked);

    await fleet.rollOut('v3', { maxUnavailable: '100%' });
    expectStep(await fleet.rollback({ kubeconfig: through.kubeconfig }), { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(await requests(marked.length + plain.length)).toEqual([...marked, ...plain]);
    expect([through.connections, through.handshakes]).toEqual([3, 3]);
  });

  test('that fails leaves nothing open either', async () => {
    await fleet.deploy('v4-missing', { maxUnavailable: '100%' });
    const gate = await fleet.rollback(
      { kubeconfig: through.kubeconfig, command: 'status', 'failure-grace': '1s' },
      { NODE_OPTIONS: TELL_WHEN_IDLE },
    );
    expectStep(gate, { code: 1, outputs: { outcome: 'failed' } });
    expect(gate.log).toMatch(/^nothing-is-open$/m);
  });
});

test('the bundle is small, in ASCII, and has nothing that the action does not use', () => {
  const bundle = readFileSync('dist/index.js', 'utf8');
  expect(bundle.length).toBeLessThan(300_000);
  expect(bundle).toMatch(/^[\0-\x7f]*$/);
  const packages = [...readFileSync('dist/licenses.txt', 'utf8').matchAll(/^(\S+) \d+\.\d+\.\d+\S* \(/gm)].map(([, name]) => name);
  expect(packages).toEqual([
    '@actions/core',
    '@actions/github',
    '@kubernetes/client-node',
    'agent-base',
    'debug',
    'hpagent',
    'ip-address',
    'js-yaml',
    'ms',
    'p-limit',
    'smart-buffer',
    'socks',
    'socks-proxy-agent',
    'valibot',
    'yocto-queue',
  ]);
});
