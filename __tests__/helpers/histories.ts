/** Random histories of a DaemonSet: deploys, rollbacks, gates and guarded jobs of several runs, and re-runs of them. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { Api } from '../../testbed/api.ts';
import { auditMark } from '../../testbed/audit-log.ts';
import type { Step } from '../../testbed/step.ts';
import type { Testbed } from '../../testbed/testbed.ts';
import { check, Model, type Run, restores, type Seen, type Version } from './histories-model.ts';
import { type Any, Fleet, printLine } from './support.ts';

const TAGS = ['v1', 'v2', 'v3', 'v4', 'v5-missing', 'v6-missing'] as const;
type Tag = (typeof TAGS)[number];

/** A target: relative, or one of the revisions that exist, counted from the newest. */
type Target = 'previous' | 'last-good' | { by: 'number' | 'name'; nth: number };

interface Rollback {
  what: 'rollback';
  to: Target;
  waits: boolean;
  /** The input `expected-revision` names the revision that is current in the first attempt. */
  expects: boolean;
}

interface Gate {
  what: 'gate';
  deploys: Tag | undefined;
  to: 'auto' | 'previous';
  /** A later step of the job rolls back too. */
  thenRollsBack: boolean;
}

/** A job with a guard, which fails. */
interface Job {
  what: 'job';
  deploys: Tag | undefined;
  /** The input `deploy-outcome`. */
  deployOutcome: 'success' | 'skipped' | undefined;
  hasGate: boolean;
  /** The input `rollback-if-ambiguous`. */
  ifAmbiguous: boolean;
  /** What a colleague deploys at the end of the job. */
  colleague: Tag | undefined;
}

/** A job with two deploys, each after a guard of its own, which fails after both. */
interface TwoGuards {
  what: 'two guards';
  deploys: [Tag, Tag];
  deployOutcome: 'success' | undefined;
}

type Workflow = Rollback | Gate | Job | TwoGuards;

export type Move =
  | Workflow
  | { what: 'deploy'; tag: Tag }
  | { what: 'deploy the same' }
  | { what: 'restart' }
  | { what: 'set image'; tag: Tag }
  | { what: 'undo'; nth: number | undefined }
  /** Of one of the runs so far, counted from the latest. */
  | { what: 're-run'; nth: number; deploysAgain: boolean };

const tag = fc.constantFrom(...TAGS);
const perhaps = <T>(some: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(some, { nil: undefined });
const oneIn = (count: number): fc.Arbitrary<boolean> => fc.nat({ max: count - 1 }).map((number) => number === 0);
const nth = fc.nat({ max: 4 });
const target: fc.Arbitrary<Target> = fc.oneof(
  { weight: 4, arbitrary: fc.constant('previous' as const) },
  { weight: 2, arbitrary: fc.constant('last-good' as const) },
  { weight: 3, arbitrary: fc.record({ by: fc.constantFrom('number' as const, 'name' as const), nth }) },
);
const job: fc.Arbitrary<Job> = fc
  .record({
    what: fc.constant('job' as const),
    deploys: perhaps(tag),
    deployOutcome: fc.constantFrom('success' as const, 'skipped' as const, undefined),
    hasGate: oneIn(3),
    ifAmbiguous: oneIn(6),
    colleague: perhaps(tag),
  })
  .map((one) => ({ ...one, deploys: one.deployOutcome === 'success' ? (one.deploys ?? 'v1') : one.deploys }))
  .map((one) => ({ ...one, deploys: one.deployOutcome === 'skipped' ? undefined : one.deploys }));

export const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant('deploy' as const), tag }) },
  { weight: 2, arbitrary: fc.constant({ what: 'deploy the same' as const }) },
  { weight: 2, arbitrary: fc.constant({ what: 'restart' as const }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('set image' as const), tag }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('undo' as const), nth: perhaps(nth) }) },
  {
    weight: 8,
    arbitrary: fc.record({ what: fc.constant('rollback' as const), to: target, waits: oneIn(8), expects: oneIn(4) }),
  },
  { weight: 6, arbitrary: fc.record({ what: fc.constant('re-run' as const), nth, deploysAgain: fc.boolean() }) },
  { weight: 3, arbitrary: job },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('two guards' as const),
      deploys: fc.tuple(tag, tag),
      deployOutcome: fc.constantFrom('success' as const, undefined),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('gate' as const),
      deploys: perhaps(tag),
      to: fc.constantFrom('auto' as const, 'previous' as const),
      thenRollsBack: oneIn(3),
    }),
  },
);

/** kubectl refuses a second restart in the same second, and an undo without an older revision. */
const IMPOSSIBLE = /within the past second|no last revision to roll back to/;

const LIMITS = { timeout: '60s', 'stable-for': '0', 'failure-grace': '0', 'progress-deadline': '10s' };
/** All nodes at once. */
const FAST = { maxUnavailable: '100%' };

/** A run so far, which can be run again. */
interface EarlierRun extends Run {
  workflow: Workflow;
  /** The number or name that a named target means. */
  to: string;
  expected: string | undefined;
}

interface Guard {
  recorded: Version;
  /** The post step. */
  post: () => Promise<{ writes: number; log: string }>;
}

/** One DaemonSet, what happened to it, and the model of it. */
export class RandomHistory {
  readonly fleet: Fleet;
  /** What happened, a line for each move. */
  readonly lines: string[] = [];
  readonly #model = new Model();
  readonly #api: Api;
  readonly #audit: AuditTail;
  readonly #temp = mkdtempSync(join(tmpdir(), 'rollback-daemonset-history-'));
  readonly #runs: EarlierRun[] = [];
  #applied: [Tag | Version, Version] = ['v1', 'v1'];
  #now!: Seen;
  #said: string[] = [];

  private constructor(fleet: Fleet) {
    this.fleet = fleet;
    this.#api = new Api(fleet.testbed.directory);
    this.#audit = new AuditTail(fleet);
  }

  static async start(options: Parameters<typeof Fleet.create>[0]): Promise<RandomHistory> {
    const history = new RandomHistory(await Fleet.create(options));
    await history.fleet.deploy('v1', FAST);
    history.#now = await history.#look();
    return history;
  }

  async end(): Promise<void> {
    this.#api.close();
    this.#audit.close();
    rmSync(this.#temp, { recursive: true, force: true });
    await this.fleet.remove();
  }

  /** Makes a move. Throws if the action broke a rule. */
  async make(move: Move): Promise<void> {
    this.#said = [];
    try {
      await this.#make(move);
    } finally {
      this.lines.push(`${this.lines.length + 1}. ${this.#said.join('; ')}`);
    }
  }

  async #make(move: Move): Promise<void> {
    switch (move.what) {
      case 'deploy':
        return void (await this.#deploy(move.tag));
      case 'deploy the same':
        return void (await this.#deploy(...this.#applied));
      case 'restart':
        return this.#change('restart', ['rollout', 'restart', `daemonset/${this.fleet.name}`]);
      case 'set image':
        return this.#change(`set image ${move.tag}`, [
          'set',
          'image',
          `daemonset/${this.fleet.name}`,
          `agent=registry.example/agent:${move.tag}`,
        ]);
      case 'undo': {
        const to = move.nth === undefined ? [] : [`--to-revision=${this.#revision(move.nth).number}`];
        return this.#change(['undo', ...to].join(' '), ['rollout', 'undo', `daemonset/${this.fleet.name}`, ...to]);
      }
      case 're-run':
        return this.#runAgain(move);
      default:
        return this.#run(this.#newRun(move));
    }
  }

  #newRun(workflow: Workflow): EarlierRun {
    const isRollback = workflow.what === 'rollback';
    const expected = isRollback && workflow.expects ? this.#revision(0).name : undefined;
    const run = { id: this.#runs.length + 1, attempt: 1, workflow, to: isRollback ? this.#nameOf(workflow.to) : 'auto', expected };
    this.#runs.push(run);
    return run;
  }

  async #runAgain({ nth, deploysAgain }: Extract<Move, { what: 're-run' }>): Promise<void> {
    const run = this.#runs.at(-1 - (nth % Math.max(1, this.#runs.length)));
    if (!run) return void this.#said.push('re-run of nothing');
    run.attempt += 1;
    const left = this.#model.leftBy(run);
    if (run.workflow.what !== 'rollback') return this.#run(run, deploysAgain);
    if (deploysAgain && left !== undefined) await this.#deploy(...partsOf(left));
    return this.#run(run);
  }

  /** @param deploys whether a gate's or guard's job deploys. */
  async #run(run: EarlierRun, deploys = true): Promise<void> {
    const { workflow } = run;
    this.#said.push(`run ${run.id} attempt ${run.attempt}`);
    if (workflow.what === 'rollback') return this.#rollBack(run, run.to, workflow.waits, run.expected);
    if (workflow.what === 'two guards') return this.#twoGuards(run, workflow);
    if (workflow.what === 'job') return this.#job(run, workflow, deploys);
    if (deploys && workflow.deploys) await this.#deploy(workflow.deploys);
    await this.#gate(run, workflow.to);
    if (workflow.thenRollsBack) await this.#rollBack(run, 'previous', false);
  }

  async #rollBack(run: Run, to: string, waits: boolean, expected?: string): Promise<void> {
    this.#said.push(`rollback to ${to}${waits ? ' with wait' : ''}${expected ? ` if ${expected} is current` : ''}`);
    const inputs = { ...LIMITS, 'to-revision': to, wait: String(waits), ...(expected && { 'expected-revision': expected }) };
    const step = await this.fleet.rollback(inputs, this.#environmentOf(run));
    await this.#judge('rollback', run, step, to === 'previous' || to === 'last-good', expected);
  }

  async #gate(run: Run, to: string): Promise<string> {
    this.#said.push(`gate to ${to}`);
    const inputs = { ...LIMITS, command: 'status', 'rollback-on-failure': 'true', 'to-revision': to };
    const step = await this.fleet.rollback(inputs, this.#environmentOf(run));
    await this.#judge('gate', run, step, true);
    return step.outputs['outcome'] ?? '';
  }

  async #job(run: Run, job: Job, isDeployed: boolean): Promise<void> {
    const { deploys, hasGate, ifAmbiguous, colleague } = job;
    const deployOutcome = isDeployed || job.deployOutcome === undefined ? job.deployOutcome : 'skipped';
    const { recorded, post } = await this.#guard(run, deployOutcome, ifAmbiguous);
    let changes = 0;
    if (isDeployed && deploys && (await this.#deploy(deploys))) changes += 1;
    const saw = this.#now.version;
    const outcome = hasGate ? await this.#gate(run, 'auto') : undefined;
    const wrote = saw !== this.#now.version;
    if (colleague) this.#said.push('colleague');
    const isFollowedByChange = colleague !== undefined && (await this.#deploy(colleague));
    if (isFollowedByChange) changes += 1;
    const gate = outcome ? { saw, isComplete: outcome === 'complete', wrote, isFollowedByChange } : undefined;
    const expected = restores({ deployOutcome, ifAmbiguous, recorded, current: this.#now.version, changes, gate });
    const { writes, log } = await post();
    const isAsExpected = expected === 'perhaps' || (expected === 'yes') === writes > 0;
    check(isAsExpected, `the guard wrote ${writes} times after ${changes} changes. The log of its post step:\n${log}`);
  }

  async #twoGuards(run: Run, { deploys: [first, second], deployOutcome }: TwoGuards): Promise<void> {
    const outer = await this.#guard(run, deployOutcome);
    await this.#deploy(first);
    const inner = await this.#guard(run, deployOutcome);
    await this.#deploy(second);
    await inner.post();
    const { log } = await outer.post();
    const { version } = this.#now;
    check(version === outer.recorded, `the first guard recorded ${outer.recorded}. The log of its post step:\n${log}`);
  }

  /** Starts a guard. `post` ends its job. */
  async #guard(run: Run, deployOutcome: Job['deployOutcome'], ifAmbiguous = false): Promise<Guard> {
    const recorded = this.#now.version;
    this.#said.push(`guard${deployOutcome ? ` of a deploy with ${deployOutcome}` : ''}${ifAmbiguous ? ' if ambiguous' : ''}`);
    const inputs = {
      ...{ ...LIMITS, command: 'guard', wait: 'false', 'rollback-if-ambiguous': String(ifAmbiguous) },
      ...(deployOutcome && { 'deploy-outcome': deployOutcome }),
    };
    const { state, outputs, log } = await this.fleet.rollback(inputs, this.#environmentOf(run));
    check(outputs['outcome'] === 'recorded', `the guard says ${outputs['outcome']}:\n${log}`);
    const post = async (): Promise<{ writes: number; log: string }> => {
      const step = await this.fleet.post(state, inputs, this.#environmentOf(run)).done;
      this.#said.push('post');
      const writes = await this.#judge('guard', run, step, false);
      check(writes === 0 || this.#now.version === recorded, `the guard recorded ${recorded}, and ${this.#now.version} is current`);
      return { writes, log: step.log };
    };
    return { recorded, post };
  }

  /** @returns whether the version changed. */
  async #deploy(tag: string, env: string = tag): Promise<boolean> {
    this.#applied = [tag, env];
    const manifest = this.fleet.manifest(tag, { ...FAST, env });
    const before = this.#now.version;
    await this.#change(`deploy ${versionOf(tag, env)}`, ['apply', '-f', '-'], manifest);
    return before !== this.#now.version;
  }

  async #change(words: string, parameters: string[], input?: string): Promise<void> {
    const before = this.#now;
    try {
      await this.fleet.kubectl(parameters, input);
    } catch (error) {
      if (!IMPOSSIBLE.test((error as Error).message)) throw error;
      return void this.#said.push(`${words}: impossible`);
    }
    this.#now = await this.#look();
    this.#model.deployed(before, this.#now);
    this.#said.push(`${words}: ${before.version} → ${this.#now.version}`);
  }

  async #judge(by: 'rollback' | 'gate' | 'guard', run: Run, step: Step, isRelative: boolean, expected?: string): Promise<number> {
    const before = this.#now;
    this.#now = await this.#look();
    const after = this.#now;
    const writes = await this.#audit.writes(after.generation - before.generation);
    const { outcome, reason, changed } = step.outputs;
    const said = by === 'guard' ? (/::([a-z-]+ \([a-z-]+\))/.exec(step.log)?.[1] ?? '?') : `${outcome} (${reason}), changed ${changed}`;
    this.#said.push(`${before.version} → ${after.version}, ${said}, ${writes} writes`);
    try {
      this.#model.judge({ by, run, before, after, writes, isRelative, expected, ...(by !== 'guard' && { outputs: step.outputs }) });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n\nThe log of the step:\n${step.log}`);
    }
    return writes;
  }

  #environmentOf({ id, attempt }: Run): Record<string, string> {
    return { GITHUB_RUN_ID: String(id), GITHUB_RUN_ATTEMPT: String(attempt), GITHUB_JOB: 'deploy', RUNNER_TEMP: this.#temp };
  }

  #revision(nth: number): Seen['revisions'][number] {
    const { revisions } = this.#now;
    return revisions[nth % revisions.length] as Seen['revisions'][number];
  }

  #nameOf(to: Target): string {
    return typeof to === 'string' ? to : String(this.#revision(to.nth)[to.by]);
  }

  /** Waits until the controller has observed the DaemonSet. */
  async #look(): Promise<Seen> {
    const { namespace, name } = this.fleet;
    const at = `/apis/apps/v1/namespaces/${namespace}`;
    for (;;) {
      const daemonSet = await this.#api.send<Any>('GET', `${at}/daemonsets/${name}`);
      const { generation } = daemonSet.metadata;
      if (daemonSet.status.observedGeneration === generation) {
        const { items } = await this.#api.send<Any>('GET', `${at}/controllerrevisions`);
        const revisions = (items as Any[])
          .map(({ metadata, revision, data }) => ({ number: revision, name: metadata.name, version: versionIn(data.spec.template) }))
          .sort((a, b) => b.number - a.number);
        return { version: versionIn(daemonSet.spec.template), generation, revisions };
      }
      await sleep(10);
    }
  }
}

const versionOf = (tag: string, env: string): Version => (tag === env ? tag : `${tag}/${env}`);

function partsOf(version: Version): [tag: string, env: string] {
  const [tag = '', env = tag] = version.split('/');
  return [tag, env];
}

function versionIn({ spec }: Any): Version {
  const [{ image, env }] = spec.containers;
  return versionOf(image.replace(/.*:/, ''), env.find(({ name }: Any) => name === 'VERSION').value);
}

/** Counts the writes in the part of the audit log that was not read yet. */
class AuditTail {
  readonly #file: number;
  readonly #isWrite: (line: string) => boolean;
  #at: number;
  #rest = '';

  constructor({ testbed, namespace }: Fleet) {
    this.#file = openSync(testbed.auditLog, 'r');
    this.#at = auditMark(testbed);
    const parts = [
      '"userAgent":"rollback-daemonset"',
      `"namespace":"${namespace}"`,
      '"resource":"daemonsets"',
      '"verb":"patch"',
      '"stage":"ResponseComplete"',
    ];
    this.#isWrite = (line) => parts.every((part) => line.includes(part)) && !line.includes('dryRun=All');
  }

  /** The writes since the last call, at least so many: the log is a moment late. */
  async writes(least: number): Promise<number> {
    let count = this.#count();
    for (const end = Date.now() + 5_000; count < least && Date.now() < end; count += this.#count()) await sleep(10);
    return count;
  }

  close(): void {
    closeSync(this.#file);
  }

  #count(): number {
    const chunk = Buffer.alloc(1024 * 1024);
    let count = 0;
    for (let read = -1; read !== 0; ) {
      read = readSync(this.#file, chunk, 0, chunk.length, this.#at);
      this.#at += read;
      const lines = `${this.#rest}${chunk.toString('latin1', 0, read)}`.split('\n');
      this.#rest = lines.pop() ?? '';
      count += lines.filter(this.#isWrite).length;
    }
    return count;
  }
}

export interface HistoryOptions {
  seed: number;
  moves: number;
  /** For how long to look for a shorter history that fails too, in milliseconds. */
  shortenFor?: number;
}

/** Plays the history of a seed. A failure shows what happened. */
export async function playHistory(testbed: Testbed, { seed, moves: count, shortenFor = 0 }: HistoryOptions): Promise<void> {
  const [moves = []] = fc.sample(fc.array(move, { minLength: count, maxLength: count }), { seed, numRuns: 1 });
  const began = Date.now();
  const failure = await play(testbed, moves);
  printLine(`Seed ${seed}: ${Math.round((Date.now() - began) / (failure?.made ?? count))} ms for each move.`);
  if (!failure) return;
  const inWords = ({ lines, message }: Failure): string => `${lines.join('\n')}\n${message}`;
  const said = `The history of the seed ${seed}:\n${inWords(failure)}`;
  if (shortenFor === 0) throw new Error(said);
  printLine(`${said}\nLooking for a shorter history that fails.`);
  const shorter = await shortened(testbed, moves.slice(0, failure.made), Date.now() + shortenFor);
  throw new Error(`A history that fails:\n${inWords(shorter ?? failure)}`);
}

interface Failure {
  message: string;
  lines: string[];
  /** How many moves were made, with the one that failed. */
  made: number;
}

async function play(testbed: Testbed, moves: readonly Move[]): Promise<Failure | undefined> {
  const history = await RandomHistory.start({ testbed });
  const { lines } = history;
  try {
    for (const one of moves) await history.make(one);
    return undefined;
  } catch (error) {
    return { message: (error as Error).message, lines, made: lines.length };
  } finally {
    await history.end();
  }
}

/** Leaves out moves, first many at once, as long as the history still fails. */
async function shortened(testbed: Testbed, failing: readonly Move[], end: number): Promise<Failure | undefined> {
  let moves = failing;
  let shortest: Failure | undefined;
  for (let size = Math.ceil(moves.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let last = moves.length - 1; last > 0; last -= size) {
      if (Date.now() > end) return shortest;
      const without = moves.filter((_, index) => index >= last || index < last - size);
      const failure = await play(testbed, without);
      if (!failure) continue;
      shortest = failure;
      moves = without.slice(0, failure.made);
      last = Math.min(last, moves.length);
    }
  }
  return shortest;
}
