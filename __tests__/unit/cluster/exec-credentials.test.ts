import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ExecPlugins } from '../../../src/cluster/exec-plugin.ts';
import { Secrets } from '../../../src/cluster/secrets.ts';

const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-plugin-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let sequence = 0;

/** A plugin that runs a shell script. `runs` counts how often. */
function plugin(script: (credential: string) => string, expires?: string): { plugins: ExecPlugins; runs: () => number } {
  sequence += 1;
  const command = join(folder, `plugin-${sequence}`);
  const status = { token: 'a-token', ...(expires && { expirationTimestamp: expires }) };
  const credential = JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status });
  writeFileSync(command, `#!/bin/sh\necho >> '${command}.runs'\n${script(`printf '%s' '${credential}'`)}\n`, { mode: 0o700 });
  writeFileSync(`${command}.runs`, '');
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command, interactiveMode: 'Never' };
  const plugins = new ExecPlugins(exec, {}, 'any', { PATH: process.env['PATH'] }, new Secrets());
  return { plugins, runs: () => readFileSync(`${command}.runs`, 'utf8').length };
}

const apply = async (plugins: ExecPlugins): Promise<unknown> => {
  const options: { headers?: Record<string, unknown> } = {};
  await plugins.applyAuthentication({}, options);
  return options.headers?.['Authorization'];
};
const many = (plugins: ExecPlugins): Promise<unknown[]> => Promise.all(Array.from({ length: 8 }, () => apply(plugins)));

describe('concurrent requests share one run', () => {
  test('of a plugin', async () => {
    const { plugins, runs } = plugin((print) => print);
    expect(new Set(await many(plugins))).toEqual(new Set(['Bearer a-token']));
    await many(plugins);
    expect(runs()).toBe(1);
    plugins.forget();
    await many(plugins);
    expect(runs()).toBe(2);
  });

  test('of a plugin that fails, and the next request runs it again', async () => {
    const { plugins, runs } = plugin((print) => `[ $(wc -l < "$0.runs") -gt 1 ] || exit 1\n${print}`);
    const ends = await Promise.allSettled(Array.from({ length: 8 }, () => apply(plugins)));
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(['rejected']));
    expect(runs()).toBe(1);
    expect(await apply(plugins)).toBe('Bearer a-token');
  });
});

test('an expired credential is renewed', async () => {
  const { plugins, runs } = plugin((print) => print, new Date(Date.now() + 5_000).toISOString());
  await apply(plugins);
  await apply(plugins);
  expect(runs()).toBe(2);
});

test('a plugin that is stopped does not leave processes, and its requests end', async () => {
  const { plugins } = plugin(() => 'sleep 60 & wait');
  const ended = apply(plugins).catch((error: unknown) => error);
  await new Promise((next) => setTimeout(next, 200));
  plugins.stop();
  expect(await ended).toMatchObject({ failure: 'credentials' });
});
