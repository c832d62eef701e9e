/** What shows a guard that the change is its job's: inputs about the deploy, and what other steps of the job saw and wrote. */
import { chmodSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { dump, load } from 'js-yaml';
import type { Step } from '../../testbed/step.ts';
import { Job } from '../helpers/job.ts';
import { type Any, eventually, execute, expectStep, type Fleet, type ManifestOptions } from '../helpers/support.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };
const gate = { command: 'status', 'failure-grace': '2s' };

const RESTORED = /rolled-back \(complete\)/;
const SUPERSEDED = /superseded \(ambiguous-change\)/;
const NOT_CHANGED = /unchanged \(not-changed\)/;
const NOT_DEPLOYED = /unchanged \(not-deployed\)/;
const SEEN_COMPLETE = /unchanged \(seen-complete\)/;
const RECORD_LOST = /refused \(record-lost\)/;

/** A job whose guard recorded v2, after v1. */
class GuardedJob {
  readonly job: Job;
  readonly fleet: Fleet;
  readonly guard: Step;

  constructor(job: Job, guard: Step) {
    this.job = job;
    this.fleet = job.fleet;
    this.guard = guard;
  }

  /** Returns once the controller has seen the version. */
  async deploy(tag: string, options: ManifestOptions = fast): Promise<void> {
    await this.change(() => this.fleet.deploy(tag, options));
  }

  async change(make: () => Promise<unknown>): Promise<void> {
    await make();
    await this.fleet.observed();
  }

  setImage(tag: string): Promise<void> {
    return this.change(() => this.fleet.kubectl(['set', 'image', 'daemonset/agent', `agent=registry.example/agent:${tag}`]));
  }

  restart(): Promise<void> {
    return this.change(() => this.fleet.kubectl(['rollout', 'restart', 'daemonset/agent']));
  }

  /** The job fails: the result of the post step, what runs then, and how often the action wrote in all. */
  async fail(inputs: Record<string, string>, ends: RegExp, runs: string, writes: number): Promise<Step> {
    const step = await this.job.post(this.guard, { timeout: '60s', ...inputs });
    this.job.expectPost(step, ends, writes);
    expectStep(step, { code: [SUPERSEDED, RECORD_LOST].includes(ends) ? 1 : 0 });
    expect(await this.fleet.image()).toBe(runs);
    return step;
  }

  async nameOf(number: number): Promise<string> {
    return (await this.fleet.revision(number)).metadata.name;
  }
}

async function withGuard(
  work: (guarded: GuardedJob) => Promise<void>,
  inputs: (job: Job) => Record<string, string> = () => ({}),
): Promise<void> {
  const job = await Job.create();
  try {
    for (const tag of ['v1', 'v2']) await job.fleet.rollOut(tag, fast);
    const guard = await job.guard(inputs(job));
    expectStep(guard, { code: 0, outputs: { outcome: 'recorded' } });
    await work(new GuardedJob(job, guard));
  } finally {
    await job.remove();
  }
}

describe('a job that did not deploy leaves the version of a colleague, and does not read the cluster', () => {
  test.concurrent.each<[string, Record<string, string>]>([
    ['deploy-outcome is skipped', { 'deploy-outcome': 'skipped' }],
    ['deploy-outcome is skipped, even with rollback-if-ambiguous', { 'deploy-outcome': 'skipped', 'rollback-if-ambiguous': 'true' }],
    ['deploy-outcome is empty', { 'deploy-outcome': '' }],
    ['deploy-outcome is empty, even with rollback-if-ambiguous', { 'deploy-outcome': '', 'rollback-if-ambiguous': 'true' }],
    ['expected-revision is empty', { 'expected-revision': '' }],
  ])('%s', (_why, inputs) =>
    withGuard(async (guarded) => {
      await guarded.deploy('v3');
      const requests = guarded.fleet.requests();
      await guarded.fail({ ...inputs, kubeconfig: 'gone' }, NOT_DEPLOYED, 'v3', 0);
      expect(guarded.fleet.requests()).toEqual(requests);
    }),
  );
});

describe('expected-revision decides alone', () => {
  test.concurrent.each<[string, Record<string, string>]>([
    ['one change', {}],
    ['one change, whatever deploy-outcome says', { 'deploy-outcome': 'success' }],
  ])('against another current version after %s', (_what, inputs) =>
    withGuard(async (guarded) => {
      await guarded.deploy('v3');
      await guarded.fail({ ...inputs, 'expected-revision': await guarded.nameOf(1) }, SUPERSEDED, 'v3', 0);
    }),
  );

  test.concurrent('for the current version after two changes, of which the first is not the job’s', () =>
    withGuard(async (guarded) => {
      await guarded.deploy('v3');
      await guarded.deploy('v4-crash');
      await guarded.fail({ 'expected-revision': await guarded.nameOf(4) }, RESTORED, 'v2', 1);
    }));
});

describe('a deploy in two changes:', () => {
  const outcomes = ['success', 'failure', 'cancelled'];

  test.concurrent('two versions are left without deploy-outcome', () =>
    withGuard(async (guarded) => {
      await guarded.deploy('v3');
      await guarded.setImage('v4-crash');
      await guarded.fail({}, SUPERSEDED, 'v4-crash', 0);
    }));

  test.concurrent.each(outcomes)('two versions are restored from with deploy-outcome: %s', (outcome) =>
    withGuard(async (guarded) => {
      await guarded.deploy('v3');
      await guarded.setImage('v4-crash');
      await guarded.fail({ 'deploy-outcome': outcome }, RESTORED, 'v2', 1);
    }),
  );

  test.concurrent.each([undefined, ...outcomes])('a version and a restart of it are restored from, deploy-outcome is %s', (outcome) =>
    withGuard(async (guarded) => {
      await guarded.deploy('v3-crash');
      await guarded.restart();
      await guarded.fail(outcome === undefined ? {} : { 'deploy-outcome': outcome }, RESTORED, 'v2', 1);
    }),
  );
});

describe('after a gate of the same job', () => {
  const rollingBackTo = (revision: string): Record<string, string> => ({ ...gate, 'rollback-on-failure': 'true', 'to-revision': revision });

  test.concurrent.each([undefined, 'success', 'failure'])(
    'that rolled back to another version, the recorded one is restored, deploy-outcome is %s',
    (outcome) =>
      withGuard(async (guarded) => {
        const { job } = guarded;
        await guarded.deploy('v3-missing');
        expectStep(await job.step(rollingBackTo('1')), {
          code: 1,
          outputs: { outcome: 'failed', changed: 'true', 'target-revision': '1' },
        });
        await guarded.fail(outcome === undefined ? {} : { 'deploy-outcome': outcome }, RESTORED, 'v2', 2);
      }),
  );

  test.concurrent('that rolled back to the recorded version, nothing is left to do', () =>
    withGuard(async (guarded) => {
      const { job } = guarded;
      await guarded.deploy('v3-missing');
      expectStep(await job.step(rollingBackTo('2')), { code: 1, outputs: { outcome: 'failed', changed: 'true', 'target-revision': '2' } });
      await guarded.fail({}, NOT_CHANGED, 'v2', 1);
    }));

  test.concurrent.each<[string, Record<string, string>, RegExp, string]>([
    ['left', {}, SEEN_COMPLETE, 'v3'],
    ['left, although deploy-outcome is success', { 'deploy-outcome': 'success' }, SEEN_COMPLETE, 'v3'],
    ['taken back with rollback-if-ambiguous', { 'rollback-if-ambiguous': 'true' }, RESTORED, 'v2'],
    ['taken back if expected-revision names it', { 'expected-revision': '3' }, RESTORED, 'v2'],
  ])('that was green, the version is %s', (_what, inputs, ends, runs) =>
    withGuard(async (guarded) => {
      const { job } = guarded;
      await guarded.deploy('v3');
      expectStep(await job.step(gate), { code: 0, outputs: { outcome: 'complete' } });
      await guarded.fail(inputs, ends, runs, runs === 'v2' ? 1 : 0);
    }),
  );

  test.concurrent.each([undefined, 'success'])('that was red, the version is taken back, deploy-outcome is %s', (outcome) =>
    withGuard(async (guarded) => {
      const { job } = guarded;
      await guarded.deploy('v3-missing');
      expectStep(await job.step(gate), { code: 1, outputs: { outcome: 'failed', changed: 'false' } });
      await guarded.fail(outcome === undefined ? {} : { 'deploy-outcome': outcome }, RESTORED, 'v2', 1);
    }),
  );

  test.concurrent.each([
    ['green', 'v3', 0],
    ['red', 'v3-missing', 1],
  ] as const)('that was %s, a later version is someone else’s, whatever deploy-outcome says', (_what, tag, code) =>
    withGuard(async (guarded) => {
      const { job } = guarded;
      await guarded.deploy(tag);
      expectStep(await job.step(gate), { code });
      await guarded.deploy('v4');
      await guarded.fail({ 'deploy-outcome': 'success' }, SUPERSEDED, 'v4', 0);
    }),
  );

  test.concurrent('that a newer version superseded, that version is someone else’s, whatever deploy-outcome says', () =>
    withGuard(async (guarded) => {
      const { job, fleet } = guarded;
      await guarded.deploy('v3-hang');
      const step = job.step(gate);
      await eventually(
        'the gate',
        () => fleet.requests(),
        (requests) => requests.includes('watch daemonsets'),
      );
      await guarded.deploy('v4');
      expectStep(await step, { code: 1, outputs: { outcome: 'superseded', reason: 'template-changed' } });
      await guarded.fail({ 'deploy-outcome': 'success' }, SUPERSEDED, 'v4', 0);
    }));

  test.concurrent('that was red, a later restart changes nothing', () =>
    withGuard(async (guarded) => {
      const { job } = guarded;
      await guarded.deploy('v3-missing');
      expectStep(await job.step(gate), { code: 1 });
      await guarded.restart();
      await guarded.fail({ 'deploy-outcome': 'success' }, RESTORED, 'v2', 1);
    }));

  test.concurrent('before the deploy, all changes are the job’s with deploy-outcome', () =>
    withGuard(async (guarded) => {
      const { job } = guarded;
      expectStep(await job.step(gate), { code: 0, outputs: { outcome: 'complete' } });
      await guarded.deploy('v3');
      await guarded.setImage('v4-crash');
      await guarded.fail({ 'deploy-outcome': 'failure' }, RESTORED, 'v2', 1);
    }));
});

describe('of two guards in a job, the version of the first one runs at the end:', () => {
  test.concurrent('one deploy after both', () =>
    withGuard(async (guarded) => {
      const { job } = guarded;
      const second = await job.guard();
      await guarded.deploy('v3-crash');
      job.expectPost(await job.post(second), RESTORED, 1);
      await guarded.fail({}, NOT_CHANGED, 'v2', 1);
    }));

  test.concurrent.each<[string, string, RegExp, number]>([
    ['only the first deploy ran', 'skipped', NOT_DEPLOYED, 0],
    ['both deploys ran', 'failure', RESTORED, 1],
  ])('a deploy after each, %s', (_what, outcome, ends, writes) =>
    withGuard(async (guarded) => {
      const { job } = guarded;
      await guarded.deploy('v3');
      const second = await job.guard();
      if (outcome !== 'skipped') await guarded.deploy('v4-crash');
      job.expectPost(await job.post(second, { 'deploy-outcome': outcome }), ends, writes);
      await guarded.fail({ 'deploy-outcome': 'success' }, RESTORED, 'v2', writes + 1);
    }),
  );
});

test.concurrent('after the look of a second guard, a later version is someone else’s if the second deploy did not run', () =>
  withGuard(async (guarded) => {
    const { job } = guarded;
    await guarded.deploy('v3');
    const second = await job.guard();
    await guarded.deploy('v4');
    job.expectPost(await job.post(second, { 'deploy-outcome': 'skipped' }), NOT_DEPLOYED, 0);
    await guarded.fail({ 'deploy-outcome': 'success' }, SUPERSEDED, 'v4', 0);
  }));

describe('a kubeconfig that another step changes', () => {
  const path = ({ temp }: Job): string => join(temp, 'kubeconfig');
  /** Two contexts: the test bed, which is current, and another server. */
  const inTwoContexts = (job: Job): Record<string, string> => {
    const config = load(readFileSync(job.fleet.testbed.kubeconfig, 'utf8')) as Any;
    const [cluster] = config.clusters;
    config.clusters.push({ name: 'other', cluster: { ...cluster.cluster, server: 'https://127.0.0.1:1' } });
    config.contexts.push({ name: 'other', context: { ...config.contexts[0].context, cluster: 'other' } });
    writeFileSync(path(job), dump(config));
    return { kubeconfig: path(job) };
  };
  const config = async ({ job, fleet: { testbed } }: GuardedJob, ...parameters: string[]): Promise<void> =>
    void expect(await execute(testbed.kubectl, ['--kubeconfig', path(job), 'config', ...parameters])).toMatchObject({ code: 0 });

  test.concurrent('to another current context: the recorded one is used', () =>
    withGuard(async (guarded) => {
      await guarded.deploy('v3-crash');
      await config(guarded, 'use-context', 'other');
      await guarded.fail({ kubeconfig: path(guarded.job) }, RESTORED, 'v2', 1);
    }, inTwoContexts));

  test.concurrent('so that the recorded context is another cluster: nothing is written', () =>
    withGuard(async (guarded) => {
      await guarded.deploy('v3-crash');
      await config(guarded, 'set-context', 'testbed', '--cluster=other');
      await guarded.fail({ kubeconfig: path(guarded.job) }, RECORD_LOST, 'v3-crash', 0);
    }, inTwoContexts));
});

describe('fields beside the template', () => {
  const merge = ({ fleet }: GuardedJob, spec: object): Promise<string> =>
    fleet.kubectl(['patch', 'daemonset/agent', '--type=merge', `--patch=${JSON.stringify({ spec })}`]);

  test.concurrent.each<[string, ManifestOptions]>([
    ['updateStrategy OnDelete', { strategy: 'OnDelete' }],
    ['maxUnavailable', { maxUnavailable: 1 }],
    ['minReadySeconds', { ...fast, spec: { minReadySeconds: 600 } }],
    ['revisionHistoryLimit', { ...fast, spec: { revisionHistoryLimit: 3 } }],
  ])('come back with it if the deploy changed them: %s', (_what, options) =>
    withGuard(async (guarded) => {
      const { spec } = await guarded.fleet.daemonSet();
      await guarded.deploy('v3-crash', options);
      await guarded.fail({}, RESTORED, 'v2', 1);
      expect((await guarded.fleet.daemonSet()).spec).toEqual(spec);
    }),
  );

  test.concurrent('stay if someone else changed them, and the report names them', () =>
    withGuard(async (guarded) => {
      await guarded.deploy('v3-crash');
      await merge(guarded, { updateStrategy: { rollingUpdate: { maxUnavailable: 3 } } });
      const step = await guarded.fail({}, RESTORED, 'v2', 1);
      expect((await guarded.fleet.daemonSet()).spec.updateStrategy.rollingUpdate.maxUnavailable).toBe(3);
      expect(step.log).toMatch(/updateStrategy/);
    }));
});

describe('the ledger of a job', () => {
  /** Writes the ledger: a gate sees v3 complete. */
  async function lookAtV3(guarded: GuardedJob, environment: Record<string, string> = {}): Promise<void> {
    await guarded.deploy('v3');
    expectStep(await guarded.job.step(gate, environment), { code: 0, outputs: { outcome: 'complete' } });
  }
  const ledgersOf = ({ job: { temp }, guard }: GuardedJob): string[] =>
    readdirSync(temp)
      .map((name) => join(temp, name))
      .filter((path) => !JSON.stringify(guard.state).includes(path));

  test.concurrent('is a file that only its owner can read', () =>
    withGuard(async (guarded) => {
      await lookAtV3(guarded);
      expect(ledgersOf(guarded).map((path) => statSync(path).mode & 0o777)).toEqual([0o600]);
    }));

  test.concurrent.each<[string, Record<string, string>]>([
    ['run', { GITHUB_RUN_ID: '2' }],
    ['attempt', { GITHUB_RUN_ATTEMPT: '2' }],
    ['job', { GITHUB_JOB: 'other' }],
  ])('is ignored if it is that of another %s', (_what, environment) =>
    withGuard(async (guarded) => {
      await lookAtV3(guarded, environment);
      await guarded.fail({}, RESTORED, 'v2', 1);
    }),
  );

  test.concurrent.each<[string, (path: string, guarded: GuardedJob) => void]>([
    ['others can write', (path) => chmodSync(path, 0o666)],
    [
      'is a link',
      (path, { job }) => {
        renameSync(path, join(job.temp, 'elsewhere'));
        symlinkSync(join(job.temp, 'elsewhere'), path);
      },
    ],
    ['is not a ledger', (path) => writeFileSync(path, '{"looks":')],
    [
      'is about another object',
      (path) => {
        const text = readFileSync(path, 'utf8');
        const other = text.replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '01234567-89ab-cdef-0123-456789abcdef');
        expect(other).not.toBe(text);
        writeFileSync(path, other);
      },
    ],
  ])('is ignored if its file %s', (_what, forge) =>
    withGuard(async (guarded) => {
      await lookAtV3(guarded);
      const [path = ''] = ledgersOf(guarded);
      forge(path, guarded);
      await guarded.fail({}, RESTORED, 'v2', 1);
    }),
  );

  test.concurrent('that cannot be written is one warning, and the gate ends as without it', () =>
    withGuard(async (guarded) => {
      const { job, fleet } = guarded;
      await fleet.beside('exporter').rollOut('v1', fast);
      writeFileSync(join(job.temp, 'file'), '');
      const step = await job.step(
        { ...gate, daemonset: 'agent, exporter', namespace: fleet.namespace },
        { RUNNER_TEMP: join(job.temp, 'file') },
      );
      expectStep(step, { code: 0, outputs: { outcome: 'complete' } });
      expect(step.log.match(/^::warning::.*RUNNER_TEMP/gm) ?? []).toHaveLength(1);
    }));
});
