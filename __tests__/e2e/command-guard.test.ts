/** A guard on the command line: around a command, or in two parts with a file between them. It restores only what the deploy changed. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { dump, load } from 'js-yaml';
import {
  type CommandOptions,
  documentIn,
  expectRan,
  type Ran,
  type RunningCommand,
  startCommand,
  variablesIn,
  variablesOf,
} from '../helpers/command.ts';
import { type Any, eventually, Fleet, type ManifestOptions } from '../helpers/support.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };

/** A fleet that runs v1, and the folder of a job that deploys to it. */
class Deploys {
  readonly fleet: Fleet;
  readonly folder: string;

  private constructor(fleet: Fleet, folder: string) {
    this.fleet = fleet;
    this.folder = folder;
  }

  static async with(work: (deploys: Deploys) => Promise<void>): Promise<void> {
    const fleet = await Fleet.create();
    const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-deploys-'));
    try {
      await fleet.rollOut('v1', fast);
      await work(new Deploys(fleet, folder));
    } finally {
      await fleet.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  }

  get name(): string {
    return `${this.fleet.namespace}/${this.fleet.name}`;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A line of shell that applies a version, and returns once the controller has seen it. */
  apply(tag: string, fleet = this.fleet): string {
    const { kubectl, kubeconfig } = fleet.testbed;
    const manifest = this.path(`${fleet.name}-${tag}.json`);
    writeFileSync(manifest, fleet.manifest(tag, fast));
    return `${kubectl} --kubeconfig ${kubeconfig} apply -f ${manifest}`;
  }

  start(parameters: string[], environment: Record<string, string> = {}, options?: CommandOptions): RunningCommand {
    return startCommand(['guard', ...parameters], variablesOf(this.fleet, environment), options);
  }

  /** A guard of the fleet around lines of shell. */
  around(shell: string, flags: string[] = []): RunningCommand {
    return this.start([this.name, '--failure-grace', '2s', ...flags, '--', 'sh', '-c', shell]);
  }

  record(environment: Record<string, string> = {}, parameters = [this.name]): Promise<Ran> {
    return this.start([...parameters, '--record', this.path('guard.json')], environment).done;
  }

  restore(environment: Record<string, string> = {}, flags: string[] = []): Promise<Ran> {
    return this.start(['--restore', this.path('guard.json'), '-o', 'json', ...flags], environment).done;
  }

  /** What runs, and how often the program wrote. */
  async expectState(tag: string, writes: number): Promise<void> {
    expect([await this.fleet.image(), this.fleet.writes()]).toEqual([tag, writes]);
  }
}

/** What the gate prints once it has read the version that it waits for. */
const GATE = /^Waiting for revision/m;

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('around a command', () => {
  test.concurrent('that deploys a good version: it stays', () =>
    Deploys.with(async (deploys) => {
      const ran = await deploys.around(deploys.apply('v2')).done;
      expectRan(ran, { code: 0, stdout: expect.stringMatching(/^complete \(complete\): Every node runs revision 2/m) });
      await deploys.expectState('v2', 0);
    }));

  test.concurrent('that fails before it deploys: its own status, and nothing is written', () =>
    Deploys.with(async (deploys) => {
      const ran = await deploys.around('exit 42', ['-o', 'json', '--env-file', 'result.env', '--results', 'result.json']).done;
      expectRan(ran, { code: 42 });
      expect(documentIn(ran)).toMatchObject({
        command: 'guard',
        outcome: 'unchanged',
        reason: 'not-changed',
        exitStatus: 42,
        changed: false,
      });
      expect(variablesIn(ran.files['result.env'] ?? '')).toMatchObject({ ROLLBACK_EXIT_STATUS: '42', ROLLBACK_CHANGED: 'false' });
      expect(JSON.parse(ran.files['result.json'] ?? '')).toEqual(documentIn(ran));
      await deploys.expectState('v1', 0);
    }));

  test.concurrent('that fails after it has deployed: its own status, and what ran before is back', () =>
    Deploys.with(async (deploys) => {
      const { spec } = await deploys.fleet.daemonSet();
      const ran = await deploys.around(`${deploys.apply('v2')}\n${deploys.apply('v3')}\nexit 3`, ['-o', 'yaml', '--junit', 'x.xml']).done;
      expectRan(ran, { code: 3, stderr: expect.stringContaining('Warning: sh ended with exit status 3.') });
      expect(documentIn(ran, 'yaml')).toMatchObject({ outcome: 'rolled-back', exitStatus: 3, changed: true });
      // What failed is the command: a report without a failure would contradict the exit status.
      expect(ran.files['x.xml']).toContain('<failure type="command" message="sh ended with exit status 3.">');
      await deploys.expectState('v1', 1);
      expect((await deploys.fleet.daemonSet()).spec.template).toEqual(spec.template);
    }));

  test.concurrent('that deploys a bad version: 7, and what ran before is back', () =>
    Deploys.with(async (deploys) => {
      const ran = await deploys.around(deploys.apply('v2-missing'), ['-o', 'json', '--junit', 'x.xml', '--summary', 'x.md']).done;
      expectRan(ran, { code: 7 });
      expect(documentIn(ran)).toMatchObject({
        outcome: 'failed',
        reason: 'image-pull',
        exitStatus: 7,
        changed: true,
        results: [{ rollback: { outcome: 'rolled-back', reason: 'complete' } }],
      });
      expect(ran.files['x.xml']).toMatch(/<failure type="image-pull"/);
      expect(ran.files['x.md']).toContain('Pods cannot start, rolled back');
      await deploys.expectState('v1', 1);
    }));

  test.concurrent('that deploys nothing: the gate passes', () =>
    Deploys.with(async (deploys) => {
      expectRan(await deploys.around('true').done, { code: 0, stdout: expect.stringContaining('complete (complete)') });
      await deploys.expectState('v1', 0);
    }));

  test.concurrent('that a signal ends, that is not found, or that cannot be started: as a shell reports it', () =>
    Deploys.with(async (deploys) => {
      expectRan(await deploys.around('kill -KILL $$').done, { code: 137, stdout: expect.stringContaining('unchanged (not-changed)') });
      expectRan(await deploys.around('kill -TERM $$').done, { code: 143 });
      const missing = await deploys.start([deploys.name, '--', 'no-such-program', 'x']).done;
      expectRan(missing, { code: 127, stderr: expect.stringContaining('no-such-program could not be started: command not found.') });
      writeFileSync(deploys.path('not-executable'), '');
      expectRan(await deploys.start([deploys.name, '--', deploys.path('not-executable')]).done, { code: 126 });
      await deploys.expectState('v1', 0);
    }));

  test.concurrent('gets its arguments and the environment unchanged, and nothing runs if the guard cannot record', () =>
    Deploys.with(async (deploys) => {
      const print = 'for one in "$@"; do printf "[%s]" "$one"; done; env | sort > "$OUT"';
      const environment = { OUT: deploys.path('environment'), TOKEN_OF_THE_JOB: 'x' };
      const hostile = ['a b', '', '--timeout', '$(id)', '-o', "it's", '--'];
      const ran = await deploys.start([deploys.name, '--', 'sh', '-c', print, 'sh', ...hostile], environment).done;
      expectRan(ran, { code: 0, stdout: expect.stringContaining(hostile.map((one) => `[${one}]`).join('')) });
      expect(`${ran.stdout}${ran.stderr}`).toContain('Running sh\n');
      const names = readFileSync(environment.OUT, 'utf8').match(/^\w+(?==)/gm) ?? [];
      const own = [
        'HOME',
        'KUBECONFIG',
        'OLDPWD',
        'OUT',
        'PATH',
        'PWD',
        'ROLLBACK_DAEMONSET_STABLE_FOR',
        'ROLLBACK_DAEMONSET_TIMEOUT',
        'SHLVL',
        'TOKEN_OF_THE_JOB',
        '_',
      ];
      expect(names.filter((name) => !own.includes(name))).toEqual([]);
      const absent = await deploys.start([deploys.name, '--context', 'other', '--', 'touch', deploys.path('ran')]).done;
      expectRan(absent, { code: 1 });
      expect(existsSync(deploys.path('ran'))).toBe(false);
    }));

  test.concurrent('prints on stderr with a document on stdout', () =>
    Deploys.with(async (deploys) => {
      const ran = await deploys.around('echo from the command; echo its errors >&2', ['-o', 'json']).done;
      expectRan(ran, { code: 0, stderr: expect.stringMatching(/^from the command$/m) });
      expect(ran.stderr).toMatch(/^its errors$/m);
      expect(documentIn(ran)).toMatchObject({ command: 'guard', outcome: 'complete' });
      const text = await deploys.around('echo from the command').done;
      expectRan(text, { code: 0, stdout: expect.stringMatching(/^from the command$/m) });
    }));

  test.concurrent('of a DaemonSet that it creates: a bad one is left, since there is nothing to restore', () =>
    Deploys.with(async (deploys) => {
      const created = deploys.fleet.beside('new');
      const guard = (tag: string): Promise<Ran> =>
        deploys.start([`${created.namespace}/new`, '--failure-grace', '2s', '--', 'sh', '-c', deploys.apply(tag, created)]).done;
      expectRan(await guard('v1-missing'), { code: 4, stderr: expect.stringContaining('failed (image-pull)') });
      expect(await created.image()).toBe('v1-missing');
    }));

  test.concurrent('that deploys several DaemonSets: each one that it changed is back if one fails', () =>
    Deploys.with(async (deploys) => {
      const { fleet } = deploys;
      const [second, third] = [fleet.beside('second'), fleet.beside('third')];
      await second.rollOut('v1', fast);
      await third.rollOut('v1', fast);
      const shell = `${deploys.apply('v2')}; ${deploys.apply('v2-missing', second)}`;
      const names = ['ds/agent', 'ds/second', 'ds/third', '-n', fleet.namespace];
      const ran = await deploys.start([...names, '--failure-grace', '2s', '-o', 'json', '--', 'sh', '-c', shell]).done;
      expectRan(ran, { code: 7 });
      expect(documentIn(ran).results).toMatchObject([
        { name: 'agent', outcome: 'complete', rollback: { outcome: 'unchanged', reason: 'seen-complete' } },
        { name: 'second', outcome: 'failed', rollback: { outcome: 'rolled-back' } },
        { name: 'third', outcome: 'complete', rollback: { outcome: 'unchanged', reason: 'not-changed' } },
      ]);
      expect(await Promise.all([fleet, second, third].map((one) => one.image()))).toEqual(['v2', 'v1', 'v1']);
    }));

  test.concurrent.each<[string, (deploys: Deploys) => string]>([
    ['after its version', (deploys) => deploys.apply('v2-hang')],
    ['after it has deployed nothing', () => 'true'],
  ])('and someone else deploys while the gate waits, %s: nothing of theirs is undone', (_when, shell) =>
    Deploys.with(async (deploys) => {
      const { fleet } = deploys;
      if (shell(deploys) === 'true') await fleet.deploy('v2-hang', fast);
      await fleet.observed();
      const running = deploys.around(shell(deploys));
      await running.printed(GATE);
      await fleet.deploy('v3', fast);
      expectRan(await running.done, { code: 6, stderr: expect.stringContaining('superseded (template-changed)') });
      await deploys.expectState('v3', 0);
    }),
  );
});

describe('a signal', () => {
  /** Deploys a version, writes that it did so, and then works until it is stopped. */
  const busy = (deploys: Deploys): string =>
    `${deploys.apply('v2')}\necho $$ > ${deploys.path('pid')}.new && mv ${deploys.path('pid')}.new ${deploys.path('pid')}\nexec sleep 300`;
  const deployed = (deploys: Deploys): Promise<boolean> =>
    eventually(
      'the deploy',
      () => existsSync(deploys.path('pid')),
      (found) => found,
    );

  test.concurrent.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s ends the command, and without --rollback-on-cancel its version stays',
    (signal) =>
      Deploys.with(async (deploys) => {
        const running = deploys.around(busy(deploys), ['-o', 'json']);
        await deployed(deploys);
        running.process.kill(signal);
        const ran = await running.done;
        expectRan(ran, { code: 143, signal: null });
        expect(documentIn(ran)).toMatchObject({ outcome: 'cancelled', reason: 'cancelled', exitStatus: 143, changed: false });
        expect(alive(Number(readFileSync(deploys.path('pid'), 'utf8')))).toBe(false);
        await deploys.expectState('v2', 0);
      }),
  );

  test.concurrent('SIGTERM with --rollback-on-cancel: what ran before is back', () =>
    Deploys.with(async (deploys) => {
      const running = deploys.around(busy(deploys), ['--rollback-on-cancel', '-o', 'json']);
      await deployed(deploys);
      running.process.kill('SIGTERM');
      const ran = await running.done;
      expectRan(ran, { code: 143 });
      expect(documentIn(ran)).toMatchObject({ outcome: 'rolled-back', changed: true });
      await deploys.expectState('v1', 1);
    }));

  test.concurrent('during the gate: 130, and the version stays', () =>
    Deploys.with(async (deploys) => {
      const running = deploys.around(deploys.apply('v2-hang'));
      await running.printed(GATE);
      running.process.kill('SIGINT');
      expectRan(await running.done, { code: 130, stderr: expect.stringContaining('cancelled (cancelled)') });
      await deploys.expectState('v2-hang', 0);
    }));

  test.concurrent('twice: it ends at once, although it restores', () =>
    Deploys.with(async (deploys) => {
      const { fleet } = deploys;
      await fleet.deploy('v2-hang', fast);
      await fleet.observed();
      const running = deploys.around(busy(deploys).replaceAll('v2', 'v3').replace(/^.*$/m, deploys.apply('v3')), ['--rollback-on-cancel']);
      await deployed(deploys);
      running.process.kill('SIGINT');
      // The version that it restores never becomes ready.
      await eventually(
        'the restored version',
        () => fleet.image(),
        (tag) => tag === 'v2-hang',
      );
      const from = performance.now();
      running.process.kill('SIGINT');
      expectRan(await running.done, { code: 130, signal: null });
      expect(performance.now() - from).toBeLessThan(5_000);
    }));
});

function makeLink(path: string): void {
  renameSync(path, `${path}.target`);
  symlinkSync(`${path}.target`, path);
}

function makeFolder(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

describe('in two parts', () => {
  const JOB = {
    GITLAB_CI: 'true',
    CI_SERVER_URL: 'https://gitlab.example',
    CI_PROJECT_PATH: 'octo/fleet',
    CI_PIPELINE_ID: '7',
    CI_JOB_ID: '1',
    CI_JOB_NAME: 'deploy',
  };
  const lost = (why: string): object => ({
    code: 3,
    stdout: expect.stringContaining('"record-lost"'),
    stderr: expect.stringContaining(why),
  });

  test.concurrent('the record is a file that only its owner can read, and it is gone once it is restored', () =>
    Deploys.with(async (deploys) => {
      const { fleet } = deploys;
      const path = deploys.path('guard.json');
      expectRan(await deploys.record(), { code: 0, stdout: expect.stringMatching(/^recorded \(recorded\)/m) });
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(fleet.writes()).toBe(0);
      await fleet.deploy('v2-crash', fast);
      await fleet.observed();
      const ran = await deploys.restore();
      expectRan(ran, { code: 0 });
      expect(documentIn(ran)).toMatchObject({ command: 'guard', outcome: 'rolled-back', changed: true });
      await deploys.expectState('v1', 1);
      expect(existsSync(path)).toBe(false);
      expectRan(await deploys.restore(), lost('is gone'));
      await deploys.expectState('v1', 1);
    }));

  test.concurrent('a record is replaced by a new one, whatever the umask is', () =>
    Deploys.with(async (deploys) => {
      const path = deploys.path('guard.json');
      const open = { program: ['sh', '-c', 'umask 0; exec "$0" "$@"', join(process.cwd(), 'dist/cli.js')] };
      for (const tag of ['v1', 'v2']) {
        await deploys.fleet.rollOut(tag, fast);
        expectRan(await deploys.start([deploys.name, '--record', path], {}, open).done, { code: 0 });
        expect(statSync(path).mode & 0o777).toBe(0o600);
        expect(readFileSync(path, 'utf8')).toContain(`agent:${tag}`);
      }
    }));

  test.concurrent('a restore that fails keeps the record, and can be repeated', () =>
    Deploys.with(async (deploys) => {
      const { fleet } = deploys;
      expectRan(await deploys.record(), { code: 0 });
      await fleet.deploy('v2', fast);
      await fleet.observed();
      expectRan(await deploys.restore({}, ['--context', 'other']), { code: 1 });
      expect(existsSync(deploys.path('guard.json'))).toBe(true);
      await fleet.deploy('v3', fast);
      await fleet.observed();
      expectRan(await deploys.restore(), { code: 6, stdout: expect.stringContaining('"ambiguous-change"') });
      expect(existsSync(deploys.path('guard.json'))).toBe(true);
      await deploys.expectState('v3', 0);
      expectRan(await deploys.restore({}, ['--deploy-outcome', 'failure']), { code: 0 });
      expect(existsSync(deploys.path('guard.json'))).toBe(false);
      await deploys.expectState('v1', 1);
    }));

  test.concurrent.each([
    [['--deploy-outcome', 'skipped'], 'not-deployed'],
    [['--deploy-outcome', ''], 'not-deployed'],
    [['--job-status', 'cancelled'], 'cancelled'],
  ])('nothing is written with %j', (flags, reason) =>
    Deploys.with(async (deploys) => {
      expectRan(await deploys.record(), { code: 0 });
      await deploys.fleet.deploy('v2', fast);
      await deploys.fleet.observed();
      const ran = await deploys.restore({}, flags);
      expect(documentIn(ran)).toMatchObject({ reason, changed: false });
      await deploys.expectState('v2', 0);
    }),
  );

  test.concurrent.each<[string, (path: string) => void, string]>([
    ['with another mode', (path) => chmodSync(path, 0o640), 'not'],
    ['with another owner', (path) => chownSync(path, 65_534, 65_534), 'not'],
    ['that is a symbolic link', makeLink, 'not'],
    ['that is a folder', makeFolder, 'not'],
    ['that is not a record', (path) => writeFileSync(path, '{"kind":"other"}'), 'not'],
    ['that is cut', (path) => writeFileSync(path, readFileSync(path, 'utf8').slice(0, -20)), 'not'],
    ['that is gone', (path) => rmSync(path), 'gone'],
  ])('a file %s is refused, and stays', (_what, change, why) =>
    Deploys.with(async (deploys) => {
      expectRan(await deploys.record(), { code: 0 });
      await deploys.fleet.deploy('v2', fast);
      await deploys.fleet.observed();
      const path = deploys.path('guard.json');
      change(path);
      const there = existsSync(path);
      expectRan(await deploys.restore(), lost(why));
      expect(existsSync(path)).toBe(there);
      await deploys.expectState('v2', 0);
    }),
  );

  test.concurrent('a record of another job, pipeline, attempt or run is refused', () =>
    Deploys.with(async (deploys) => {
      expectRan(await deploys.record(JOB), { code: 0 });
      await deploys.fleet.deploy('v2', fast);
      await deploys.fleet.observed();
      for (const other of [
        { ...JOB, CI_PIPELINE_ID: '8' },
        { ...JOB, CI_JOB_ID: '2' },
        { ...JOB, CI_JOB_NAME: 'other' },
        { ...JOB, CI_PROJECT_PATH: 'octo/other' },
        { ...JOB, CI_SERVER_URL: 'https://other.example' },
        { ...JOB, ROLLBACK_DAEMONSET_RUN_ID: '8' },
        { GITHUB_ACTIONS: 'true', GITHUB_REPOSITORY: 'octo/fleet', GITHUB_RUN_ID: '7', GITHUB_RUN_ATTEMPT: '1', GITHUB_JOB: 'deploy' },
        {},
      ])
        expectRan(await deploys.restore(other), lost('another job'));
      expect(existsSync(deploys.path('guard.json'))).toBe(true);
      await deploys.expectState('v2', 0);
      expectRan(await deploys.restore(JOB), { code: 0 });
      await deploys.expectState('v1', 1);
    }));

  test.concurrent('a file that is not a record is not overwritten, and a folder that is not there is an error', () =>
    Deploys.with(async (deploys) => {
      const path = deploys.path('guard.json');
      writeFileSync(path, 'mine');
      expectRan(await deploys.record(), { code: 1, stderr: expect.stringMatching(/record-lost.*another file with this name/) });
      expect(readFileSync(path, 'utf8')).toBe('mine');
      writeFileSync(path, '{"mine":true}', { mode: 0o600 });
      expectRan(await deploys.record(), { code: 1 });
      rmSync(path);
      writeFileSync(deploys.path('target'), 'mine');
      symlinkSync(deploys.path('target'), path);
      expectRan(await deploys.record(), { code: 1 });
      expect(readFileSync(deploys.path('target'), 'utf8')).toBe('mine');
      rmSync(path);
      // A link to nothing is not followed either.
      rmSync(deploys.path('target'));
      symlinkSync(deploys.path('target'), path);
      expectRan(await deploys.record(), { code: 1 });
      expect(existsSync(deploys.path('target'))).toBe(false);
      const nowhere = await deploys.start([deploys.name, '--record', deploys.path(join('none', 'guard.json'))]).done;
      expectRan(nowhere, { code: 1, stderr: expect.stringContaining('record-lost') });
    }));

  test.concurrent('a record is not restored on another cluster', () =>
    Deploys.with(async (deploys) => {
      expectRan(await deploys.record(), { code: 0 });
      await deploys.fleet.deploy('v2', fast);
      await deploys.fleet.observed();
      const config = load(readFileSync(deploys.fleet.testbed.kubeconfig, 'utf8')) as Any;
      const { port } = new URL(config.clusters[0].cluster.server);
      config.clusters[0].cluster.server = `https://localhost:${port}`;
      writeFileSync(deploys.path('other'), dump(config));
      const ran = await deploys.restore({ KUBECONFIG: deploys.path('other') });
      expectRan(ran, lost('another cluster'));
      expect(existsSync(deploys.path('guard.json'))).toBe(true);
      await deploys.expectState('v2', 0);
    }));

  test.concurrent('a gate between them is counted in a job that has a folder', () =>
    Deploys.with(async (deploys) => {
      const project = deploys.path('project');
      mkdirSync(`${project}.tmp`);
      const job = { ...JOB, CI_PROJECT_DIR: project };
      expectRan(await deploys.record(job), { code: 0 });
      await deploys.fleet.rollOut('v2', fast);
      const gate = startCommand(['status', deploys.name], variablesOf(deploys.fleet, job));
      expectRan(await gate.done, { code: 0, stderr: '' });
      const ran = await deploys.restore(job);
      expect(documentIn(ran)).toMatchObject({ outcome: 'unchanged', reason: 'seen-complete' });
      await deploys.expectState('v2', 0);
    }));

  test.concurrent('twice at the same time: both end, and the record is restored once', () =>
    Deploys.with(async (deploys) => {
      expectRan(await deploys.record(), { code: 0 });
      await deploys.fleet.deploy('v2', fast);
      await deploys.fleet.observed();
      const both = await Promise.all([deploys.restore(), deploys.restore()]);
      expect(both.map(({ code }) => code)).toContain(0);
      const { metadata } = await deploys.fleet.daemonSet();
      expect([await deploys.fleet.image(), metadata.annotations['deprecated.daemonset.template.generation']]).toEqual(['v1', '3']);
    }));
});
