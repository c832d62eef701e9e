/** The command line, without a terminal, as a job of any CI system starts it: its exit statuses, its documents and files, its flags. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dump, load } from 'js-yaml';
import { type Answer, answersSince, auditMark } from '../../testbed/audit-log.ts';
import {
  documentIn,
  expectRan,
  type Ran,
  type RunningCommand,
  runCommand,
  startCommand,
  variablesIn,
  variablesOf,
} from '../helpers/command.ts';
import { type Installed, installPackage } from '../helpers/package.ts';
import { type Any, eventually, Fleet, type ManifestOptions, withFleet } from '../helpers/support.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };
const COMMANDS = ['rollback', 'status', 'history', 'guard', 'release'];

const nameOf = ({ namespace, name }: Fleet): string => `${namespace}/${name}`;

function start(fleet: Fleet, parameters: string[], environment: Record<string, string> = {}): RunningCommand {
  return startCommand(parameters, variablesOf(fleet, environment));
}

function run(fleet: Fleet, parameters: string[], environment: Record<string, string> = {}): Promise<Ran> {
  return start(fleet, parameters, environment).done;
}

/** A fleet with these versions rolled out, one after the other. */
function withVersions(tags: string[], work: (fleet: Fleet) => Promise<void>): Promise<void> {
  return withFleet(async (fleet) => {
    for (const tag of tags) await fleet.rollOut(tag, fast);
    await work(fleet);
  });
}

/** What a gate prints once it has read the version that it waits for. */
const GATE = /^Waiting for revision/m;

describe('the three stories', () => {
  test.concurrent('a rollback, with all that it leaves', () =>
    withVersions(['v1', 'v2'], async (fleet) => {
      const files = ['--env-file', 'result.env', '--results', 'result.json', '--junit', 'result.xml', '--summary', 'result.md'];
      const ran = await run(fleet, ['rollback', 'ds/agent', '-n', fleet.namespace, ...files]);
      expectRan(ran, {
        code: 0,
        stdout: expect.stringMatching(/^Server https:.*\n(.*\n)*Rolled back: DaemonSet .*\nrolled-back \(complete\)/),
      });
      expect(await fleet.image()).toBe('v1');
      expect(Object.keys(ran.files).sort()).toEqual(['result.env', 'result.json', 'result.md', 'result.xml']);
      expect(variablesIn(ran.files['result.env'] ?? '')).toMatchObject({
        ROLLBACK_OUTCOME: 'rolled-back',
        ROLLBACK_OLD_REVISION: '2',
        ROLLBACK_TARGET_REVISION: '1',
        ROLLBACK_NEW_REVISION: '3',
        ROLLBACK_IMAGES: 'registry.example/agent:v1',
        ROLLBACK_EXIT_STATUS: '0',
      });
      expect(JSON.parse(ran.files['result.json'] ?? '')).toMatchObject({
        command: 'rollback',
        outcome: 'rolled-back',
        reason: 'complete',
        exitStatus: 0,
        changed: true,
        cluster: { server: fleet.testbed.server },
        warnings: [expect.stringContaining('kubectl apply')],
        results: [{ name: 'agent', namespace: fleet.namespace, newRevision: 3, available: 10 }],
      });
      expect(ran.files['result.xml']).toMatch(/<testcase name=".*\/agent" classname="rollback-daemonset\.rollback"/);
      expect(ran.files['result.md']).toMatch(/^## ✅ Rolled back: DaemonSet /);
    }));

  test.concurrent('a gate that waits, fails because of the version, and restores the known-good one', () =>
    withVersions(['v1'], async (fleet) => {
      expectRan(await run(fleet, ['status', nameOf(fleet)]), { code: 0, stdout: expect.stringMatching(/^complete \(complete\)/m) });
      await fleet.deploy('v2-missing', fast);
      const gate = ['status', nameOf(fleet), '--rollback-on-failure', '--failure-grace=2s', '-o', 'json'];
      const ran = await run(fleet, gate);
      expectRan(ran, { code: 7 });
      expect(documentIn(ran)).toMatchObject({
        outcome: 'failed',
        reason: 'image-pull',
        exitStatus: 7,
        changed: true,
        results: [{ rollback: { outcome: 'rolled-back' } }],
      });
      expect(await fleet.image()).toBe('v1');
    }));

  test.concurrent('a guarded deploy, once of a good version and once of a bad one', () =>
    withVersions(['v1'], async (fleet) => {
      const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-deploy-'));
      try {
        const deploy = (tag: string): Promise<Ran> => {
          writeFileSync(join(folder, `${tag}.yaml`), fleet.manifest(tag, fast));
          const apply = [fleet.testbed.kubectl, 'apply', '-f', join(folder, `${tag}.yaml`)];
          return run(fleet, ['guard', 'ds/agent', '-n', fleet.namespace, '--failure-grace', '2s', '--', ...apply]);
        };
        expectRan(await deploy('v2'), { code: 0, stdout: expect.stringContaining('daemonset.apps/agent configured') });
        expect(await fleet.image()).toBe('v2');
        expectRan(await deploy('v3-crash'), { code: 7, stderr: expect.stringMatching(/^Error: Pods cannot start, rolled back/m) });
        expect(await fleet.image()).toBe('v2');
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }));
});

describe('the exit status', () => {
  const gate = (fleet: Fleet, ...flags: string[]): string[] => ['status', nameOf(fleet), '--failure-grace', '2s', ...flags];

  test.concurrent('0: success; 2: an input is wrong; 3: refused; 1: the kubeconfig or the cluster', () =>
    withVersions(['v1', 'v2'], async (fleet) => {
      const name = nameOf(fleet);
      for (const [code, parameters, environment] of [
        [0, ['history', name], {}],
        [0, ['rollback', name, '--dry-run'], {}],
        [0, ['release', name], {}],
        [2, ['rollback', name, '--timeout', 'soon'], {}],
        [2, ['rollback', '--selector', 'app=agent', name], {}],
        [2, ['rollback', name, '--nope'], {}],
        [3, ['rollback', name, '--to-revision', '9'], {}],
        [1, ['rollback', `${fleet.namespace}/other`], {}],
        [1, ['rollback', name, '--context', 'other'], {}],
        [1, ['rollback', name, '--kubeconfig', 'missing'], {}],
        [1, ['rollback', name], { KUBECONFIG: '' }],
      ] as [number, string[], Record<string, string>][]) {
        const ran = await run(fleet, parameters, environment);
        expectRan(ran, { code });
        expect(`${ran.stdout}${ran.stderr}`).not.toMatch(/This is a bug|node:internal|^\s+at /m);
      }
      expect(await fleet.image()).toBe('v2');
    }));

  test.concurrent('4: the rollout failed; 5: the time is up, or nothing was waited for; 6: deleted', () =>
    withVersions(['v1'], async (fleet) => {
      await fleet.getStuck('v2-missing');
      expectRan(await run(fleet, gate(fleet)), { code: 4 });
      expectRan(await run(fleet, gate(fleet, '--fail-fast=false', '--timeout', '3s')), { code: 5 });
      expectRan(await run(fleet, gate(fleet, '--wait=false')), { code: 5 });
      const running = start(fleet, gate(fleet, '--fail-fast=false'));
      await running.printed(GATE);
      await fleet.kubectl(['delete', 'daemonset/agent']);
      expectRan(await running.done, { code: 6, stderr: expect.stringContaining('deleted (deleted)') });
    }));

  test.concurrent('6: someone else deploys during the wait', () =>
    withVersions(['v1'], async (fleet) => {
      await fleet.deploy('v2-hang', fast);
      const running = start(fleet, gate(fleet));
      await running.printed(GATE);
      await fleet.deploy('v3', fast);
      expectRan(await running.done, { code: 6, stderr: expect.stringContaining('superseded (template-changed)') });
    }));

  test.concurrent.each(['SIGINT', 'SIGTERM'] as const)('130: %s during the wait, and the printed command continues it', (signal) =>
    withVersions([], async (fleet) => {
      await fleet.deploy('v1-hang', fast);
      await fleet.observed();
      await fleet.rollOut('v2', fast);
      const running = start(fleet, ['rollback', nameOf(fleet), '--kubeconfig', fleet.testbed.kubeconfig], { KUBECONFIG: '' });
      await running.printed(/^daemonset\.apps\/agent rolled back: .*\n(.*\n)*Waiting for daemon set "agent"/m);
      running.process.kill(signal);
      const ran = await running.done;
      expectRan(ran, { code: 130, signal: null, stderr: expect.stringContaining('cancelled (cancelled)') });
      expect(ran.stderr).toMatch(/continue/);
      expect(await fleet.image()).toBe('v1-hang');
      const [, command = ''] = /^To continue watching: rollback-daemonset (.*)$/m.exec(ran.stdout) ?? [];
      expect(command).toContain(nameOf(fleet));
      // Now the version can become ready.
      await fleet.kubectl([
        'patch',
        'daemonset/agent',
        '--type=json',
        '--patch=[{"op":"remove","path":"/spec/template/spec/containers/0/readinessProbe"}]',
      ]);
      expectRan(await run(fleet, command.split(' '), { KUBECONFIG: '' }), { code: 0 });
    }),
  );

  test.concurrent('130, and nothing is written: a signal before the write', () =>
    withVersions(['v1', 'v2'], async (fleet) => {
      const plugin = mkdtempSync(join(tmpdir(), 'rollback-daemonset-plugin-'));
      try {
        writeFileSync(join(plugin, 'login'), `#!/bin/sh\n: > "${plugin}/started"\nexec sleep 60\n`, { mode: 0o700 });
        const config = load(readFileSync(fleet.testbed.kubeconfig, 'utf8')) as Any;
        config.users[0].user = {
          exec: { apiVersion: 'client.authentication.k8s.io/v1', command: join(plugin, 'login'), interactiveMode: 'Never' },
        };
        writeFileSync(join(plugin, 'kubeconfig'), dump(config));
        const parameters = ['rollback', nameOf(fleet), '--exec-plugins', join(plugin, 'login'), '-o', 'yaml'];
        const running = start(fleet, parameters, { KUBECONFIG: join(plugin, 'kubeconfig') });
        await eventually(
          'the plugin',
          () => existsSync(join(plugin, 'started')),
          (found) => found,
        );
        running.process.kill('SIGINT');
        const ran = await running.done;
        expectRan(ran, { code: 130 });
        expect(documentIn(ran, 'yaml')).toMatchObject({ outcome: 'cancelled', exitStatus: 130, changed: false });
        expect(await fleet.image()).toBe('v2');
      } finally {
        rmSync(plugin, { recursive: true, force: true });
      }
    }));
});

describe('the document', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.create();
    for (const tag of ['v1', 'v2']) await fleet.rollOut(tag, fast);
    await fleet.getStuck('v3-missing');
  });
  afterAll(() => fleet.remove());

  const RUNS: [what: string, parameters: string[], expected: object][] = [
    ['a success', ['rollback', '--dry-run=server'], { outcome: 'dry-run', exitStatus: 0, changed: false }],
    [
      'a history',
      ['history'],
      { outcome: 'listed', exitStatus: 0, history: [{ revision: 3, current: true }, { revision: 2 }, { revision: 1 }] },
    ],
    ['a failure', ['status', '--failure-grace', '1s'], { outcome: 'failed', reason: 'image-pull', exitStatus: 4 }],
    ['a refusal', ['rollback', '--to-revision', '9'], { outcome: 'refused', reason: 'revision-not-found', exitStatus: 3 }],
    ['an error', ['rollback', '--context', 'other'], { outcome: 'error', reason: 'kubeconfig', exitStatus: 1, cluster: null }],
    ['an invalid input', ['rollback', '--timeout', 'soon'], { outcome: 'error', reason: 'invalid-input', exitStatus: 2, cluster: null }],
  ];

  test.each(RUNS.flatMap(([what, ...run]) => (['json', 'yaml'] as const).map((format) => [what, format, ...run] as const)))(
    'of %s is all of stdout as %s, and the log is on stderr',
    async (_what, format, [command = '', ...flags], expected) => {
      const ran = await run(fleet, [command, nameOf(fleet), ...flags, '-o', format, '--results', 'result.json']);
      const document = documentIn(ran, format);
      expect(document).toMatchObject({ command, durationSeconds: expect.any(Number), results: [expect.any(Object)], ...expected });
      expectRan(ran, { code: document.exitStatus, stderr: expect.stringMatching(/\nTook .* m?s\.\n$/) });
      expect('history' in document).toBe(command === 'history');
      expect(JSON.parse(ran.files['result.json'] ?? '')).toEqual(document);
      // No color and no cursor movement outside of a terminal.
      for (const character of ['\u001b', '\r']) expect(`${ran.stdout}${ran.stderr}`).not.toContain(character);
    },
  );

  test('and the files are there after a mistake in the arguments, too', async () => {
    const message = expect.stringMatching(/unknown flag --nope of "status"\. /);
    const ran = await run(fleet, ['status', nameOf(fleet), '-o', 'json', '--nope', '--results=result.json'], {
      ROLLBACK_DAEMONSET_ENV_FILE: 'result.env',
      ROLLBACK_DAEMONSET_JUNIT: 'result.xml',
    });
    expectRan(ran, { code: 2, stderr: message });
    const document = documentIn(ran);
    expect(document).toMatchObject({ command: 'status', outcome: 'error', reason: 'invalid-input', exitStatus: 2, results: [{ message }] });
    expect(JSON.parse(ran.files['result.json'] ?? '')).toEqual(document);
    expect(variablesIn(ran.files['result.env'] ?? '')).toMatchObject({ ROLLBACK_REASON: 'invalid-input', ROLLBACK_EXIT_STATUS: '2' });
    expect(ran.files['result.xml']).toContain('type="invalid-input"');
    expectRan(await run(fleet, ['rollback', nameOf(fleet), '--nope']), {
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^error: unknown flag --nope of "rollback"\. .*\n$/),
      files: {},
    });
    expectRan(await run(fleet, ['rollback', nameOf(fleet), '-o', 'xml']), { code: 2, stdout: '' });
  });

  test('is complete although no one reads the log, and the exit status is right although no one reads stdout', async () => {
    const quiet = start(fleet, ['rollback', nameOf(fleet), '--to-revision', '9', '-o', 'json']);
    quiet.process.stderr?.destroy();
    const ran = await quiet.done;
    expectRan(ran, { code: 3 });
    expect(documentIn(ran)).toMatchObject({ outcome: 'refused' });
    const closed = start(fleet, ['rollback', nameOf(fleet), '--to-revision', '9', '--results', 'result.json']);
    closed.process.stdout?.destroy();
    expectRan(await closed.done, { code: 3, files: { 'result.json': expect.stringContaining('"refused"') } });
  });

  const FILES = { 'env-file': 'result.env', results: 'result.json', junit: 'result.xml', summary: 'result.md' };
  /** A file without what differs from run to run: times, ages and the warning about the other file. */
  const lasting = (text = ''): string =>
    text
      .replace(/"warnings": \[[^\]]*\]|^> .*\n(> .*\n)*\n/gm, '')
      .replace(/("durationSeconds": |time="|DURATION_SECONDS=)[\d.]+/g, '$1')
      .replace(/\b[\d.]+(&nbsp;| )?m?s\b/g, '');

  test.each([
    ['is in a folder that does not exist', join('none', 'file'), /\(ENOENT\)/],
    ['is a directory', 'folder', /it is a directory \(EISDIR\)/],
    ['is on a full disk', '/dev/full', /no space left on the device \(ENOSPC\)/],
  ])('a file that %s changes neither the exit status nor the other files', async (_what, path, warning) => {
    const all = (paths: Record<string, string>): string[] => Object.entries(paths).flatMap(([flag, file]) => [`--${flag}`, file]);
    for (const command of [['history'], ['rollback', '--to-revision=9']]) {
      const good = await run(fleet, [...command, nameOf(fleet), ...all(FILES)]);
      expect(Object.keys(good.files).sort()).toEqual(Object.values(FILES).sort());
      for (const [flag, own] of Object.entries(FILES)) {
        const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-files-'));
        mkdirSync(join(folder, 'folder'));
        try {
          const parameters = [...command, nameOf(fleet), '-o', 'json', ...all({ ...FILES, [flag]: path })];
          const ran = await startCommand(parameters, variablesOf(fleet), { folder }).done;
          expectRan(ran, { code: good.code, stderr: expect.stringMatching(/^Warning: Could not write the .* of this step: /m) });
          expect(ran.stderr).toMatch(warning);
          expect(documentIn(ran)).toMatchObject({ exitStatus: good.code, warnings: [expect.stringMatching(warning)] });
          const others = Object.values(FILES).filter((name) => name !== own);
          expect(Object.keys(ran.files).sort()).toEqual(others.sort());
          for (const name of others) expect(lasting(ran.files[name])).toBe(lasting(good.files[name]));
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
      }
    }
  });
});

describe('flags and variables', () => {
  let fleet: Fleet;
  let other: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.create();
    other = fleet.beside('other');
    for (const tag of ['v1', 'v2'])
      await Promise.all([
        fleet.rollOut(tag, { ...fast, labels: { team: fleet.namespace } }),
        other.rollOut(tag, { ...fast, labels: { team: fleet.namespace } }),
      ]);
  });
  afterAll(() => fleet.remove());

  const document = async (parameters: string[], environment: Record<string, string> = {}): Promise<Any> =>
    documentIn(await run(fleet, [...parameters, '-o', 'json'], environment));
  const namesIn = ({ results }: Any): string[] => results.map(({ namespace, name }: Any) => `${namespace}/${name}`).sort();

  test('a variable stands for a flag that is absent', async () => {
    const variables = {
      ROLLBACK_DAEMONSET_DAEMONSET: nameOf(fleet),
      ROLLBACK_DAEMONSET_TO_REVISION: '9',
      ROLLBACK_DAEMONSET_ENV_FILE: 'x.env',
    };
    const ran = await run(fleet, ['rollback'], { ...variables, ROLLBACK_DAEMONSET_OUTPUT: 'yaml' });
    expect(documentIn(ran, 'yaml')).toMatchObject({ reason: 'revision-not-found' });
    expect(Object.keys(ran.files)).toEqual(['x.env']);
  });

  test('a flag takes precedence over its variable, and NAME over that of names', async () => {
    const dry = { ROLLBACK_DAEMONSET_DRY_RUN: 'true' };
    expect(await document(['rollback', nameOf(fleet), '--to-revision=1'], { ...dry, ROLLBACK_DAEMONSET_TO_REVISION: '9' })).toMatchObject({
      outcome: 'dry-run',
      results: [{ targetRevision: 1 }],
    });
    const ran = await run(fleet, ['history', nameOf(fleet), '-o', 'text'], { ROLLBACK_DAEMONSET_OUTPUT: 'json' });
    expect(ran.stdout).toMatch(/^REVISION/m);
    const names = { ROLLBACK_DAEMONSET_DAEMONSET: nameOf(other), ROLLBACK_DAEMONSET_NAMESPACE: 'none' };
    expect(namesIn(await document(['history', 'agent', '-n', fleet.namespace], names))).toEqual([nameOf(fleet)]);
  });

  test('a variable that the command does not use is ignored', async () => {
    expect(
      await document(['history', nameOf(fleet)], { ROLLBACK_DAEMONSET_TO_REVISION: '9', ROLLBACK_DAEMONSET_RECORD: 'x' }),
    ).toMatchObject({
      outcome: 'listed',
    });
  });

  test.each(['agent', 'ds/agent', 'daemonset/agent', 'daemonsets/agent', 'daemonset.apps/agent', 'NAMESPACE/agent'])(
    'NAME can be %s',
    async (name) => {
      const found = await document(['history', name.replace('NAMESPACE', fleet.namespace), '--namespace', fleet.namespace]);
      expect(namesIn(found)).toEqual([nameOf(fleet)]);
    },
  );

  test('several names, a selector in one namespace, and one in all', async () => {
    const both = [nameOf(fleet), nameOf(other)];
    expect(namesIn(await document(['history', 'ds/agent', 'other', '-n', fleet.namespace]))).toEqual(both);
    expect(namesIn(await document(['history', nameOf(fleet), nameOf(other)]))).toEqual(both);
    expect(namesIn(await document(['history', '-l', 'team', '-n', fleet.namespace]))).toEqual(both);
    expect(namesIn(await document(['history', '-A', '-l', `team=${fleet.namespace}`]))).toEqual(both);
    const text = await run(fleet, ['rollback', '-Al', `team=${fleet.namespace}`, '--dry-run', '--junit', 'x.xml']);
    expectRan(text, { code: 0, stdout: expect.stringMatching(/^Dry run: 2 DaemonSets$/m) });
    expect(text.files['x.xml']?.match(/<testcase /g)).toHaveLength(2);
  });

  test('--dry-run in each of its forms writes nothing', async () => {
    const before = await fleet.daemonSet();
    for (const flags of [['--dry-run'], ['--dry-run=server'], ['--dry-run=true']])
      expect(await document(['rollback', nameOf(fleet), ...flags])).toMatchObject({
        outcome: 'dry-run',
        reason: 'validated',
        changed: false,
      });
    expectRan(await run(fleet, ['rollback', nameOf(fleet), '--dry-run=client']), {
      code: 2,
      stderr: expect.stringContaining('--dry-run=server'),
    });
    expect(await fleet.daemonSet()).toEqual(before);
    expect([...fleet.requests(), ...other.requests()].filter((request) => request === 'patch daemonsets')).toEqual([]);
  });

  test('--as arrives as an impersonation, and its account decides what is allowed', async () => {
    await fleet.kubectl(['create', 'rolebinding', 'viewer', '--clusterrole=view', '--user=alice']);
    const mark = auditMark(fleet.testbed);
    expect(await document(['history', nameOf(fleet), '--as', 'alice'])).toMatchObject({ outcome: 'listed' });
    expect(await document(['rollback', nameOf(fleet), '--as', 'alice'])).toMatchObject({ outcome: 'error', reason: 'forbidden' });
    const answers = await eventually(
      'the audit log',
      () => answersSince(fleet.testbed, mark, (line) => line.includes('"userAgent":"rollback-daemonset') && line.includes(fleet.namespace)),
      (all) => all.some(({ responseStatus }) => responseStatus?.code === 403),
    );
    expect(new Set(answers.map(({ impersonatedUser }) => impersonatedUser?.username))).toEqual(new Set(['alice']));
    expectRan(await run(fleet, ['history', nameOf(fleet)], { ROLLBACK_DAEMONSET_AS: '' }), { code: 2 });
  });

  test('a mistake makes no request to the cluster, and gives 2', async () => {
    const user = `mistaken-${fleet.namespace}`;
    const { certificate, key } = await fleet.testbed.issueClientCertificate(user);
    const config = load(readFileSync(fleet.testbed.kubeconfig, 'utf8')) as Any;
    const [data, keyData] = [certificate, key].map((text) => Buffer.from(text).toString('base64'));
    config.users[0].user = { 'client-certificate-data': data, 'client-key-data': keyData };
    const environment = { ROLLBACK_DAEMONSET_KUBECONFIG: dump(config) };
    const mark = auditMark(fleet.testbed);
    const name = nameOf(fleet);
    for (const parameters of [
      [],
      ['undo', name],
      ['rollback'],
      ['rollback', ''],
      ['rollback', name, '--nope'],
      ['rollback', name, '--revision', '1'],
      ['rollback', name, '--wait', 'false'],
      ['rollback', name, '--to-revision'],
      ['rollback', name, '--to-revision', ''],
      ['rollback', name, '--timeout', 'soon'],
      ['rollback', name, '-A'],
      ['rollback', '-A', '-n', 'x', '-l', 'a=b'],
      ['rollback', name, '-o', 'xml'],
      ['rollback', name, '--dry-run=client'],
      ['rollback', name, '--as', ''],
      ['rollback', name, '--', 'true'],
      ['guard', name],
      ['guard', name, '--'],
      ['guard', name, '--record', 'x', '--', 'true'],
      ['guard', '--restore', 'x', name],
      ['status', name, '--rollback-on-timeout'],
    ]) {
      const ran = await run(fleet, parameters, environment);
      expectRan(ran, { code: 2 });
      expect(`${ran.stdout}${ran.stderr}`).not.toMatch(/This is a bug|node:internal/i);
    }
    // The log is a moment late: a request that follows is in it, and it is the first one.
    await run(fleet, ['history', name], environment);
    const answers: Answer[] = await eventually(
      'the audit log',
      () => answersSince(fleet.testbed, mark, (line) => line.includes(user)),
      (all) => all.length > 0,
    );
    expect(answers.map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`).slice(0, 1)).toEqual(['get daemonsets']);
    expect(answers.filter(({ verb }) => verb === 'get')).toHaveLength(1);
  });
});

describe('the kubectl plugin', () => {
  let installed: Installed;
  beforeAll(() => {
    installed = installPackage();
  });
  afterAll(() => installed.remove());

  test('rolls back as kubectl starts it, and kubectl lists it', () =>
    withVersions(['v1', 'v2'], async (fleet) => {
      const { kubectl } = fleet.testbed;
      const environment = variablesOf(fleet, { PATH: [installed.bin, dirname(kubectl), process.env['PATH']].join(delimiter) });
      const plugin = (...parameters: string[]): Promise<Ran> => runCommand(parameters, environment, { program: ['kubectl'] });
      expectRan(await plugin('plugin', 'list'), { stdout: expect.stringContaining(join(installed.bin, 'kubectl-rollback_daemonset')) });
      expectRan(await plugin('rollback-daemonset', 'rollback', 'ds/agent', '-n', fleet.namespace, '--env-file', 'result.env'), {
        code: 0,
        files: { 'result.env': expect.stringContaining('ROLLBACK_OUTCOME=rolled-back') },
      });
      expect(await fleet.image()).toBe('v1');
      expectRan(await plugin('rollback-daemonset', 'rollback', nameOf(fleet), '--to-revision', '9', '-o', 'yaml'), { code: 3 });
    }));
});

describe('help', () => {
  test.each(COMMANDS)('of %s, without a cluster', async (command) => {
    const help = await runCommand([command, '--help']);
    expectRan(help, { code: 0, stderr: '', stdout: expect.stringMatching(new RegExp(`^Usage:\n  rollback-daemonset ${command} `, 'm')) });
    expect(help.stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(await runCommand(['help', command])).toMatchObject({ code: 0, stdout: help.stdout });
    expect(await runCommand([command, 'ds/agent', '-h', '-o', 'json'])).toMatchObject({ code: 0, stdout: help.stdout });
  });

  test('of the program names each command, each exit status, and the variables', async () => {
    const help = await runCommand(['--help']);
    expectRan(help, { code: 0, stderr: '' });
    for (const command of COMMANDS) expect(help.stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    for (const status of [0, 1, 2, 3, 4, 5, 6, 7, 130]) expect(help.stdout).toMatch(new RegExp(`^  ${status} `, 'm'));
    expect(help.stdout).toContain('ROLLBACK_DAEMONSET_');
    expect(await runCommand([])).toMatchObject({ code: 2, stdout: help.stdout });
    expect(await runCommand(['help'])).toMatchObject({ code: 0, stdout: help.stdout });
    expect(await runCommand(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+/), stderr: '' });
  });
});
