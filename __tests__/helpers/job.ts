import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { Step } from '../../testbed/step.ts';
import { Fleet } from './support.ts';

type Inputs = Record<string, string>;

/** A job of a workflow, with a fleet of its own. As on a runner, all its steps have the same RUNNER_TEMP. */
export class Job {
  readonly fleet: Fleet;
  readonly temp: string;
  readonly #environment: Record<string, string>;

  private constructor(fleet: Fleet, temp: string) {
    this.fleet = fleet;
    this.temp = temp;
    this.#environment = { RUNNER_TEMP: temp, GITHUB_RUN_ATTEMPT: '1', GITHUB_JOB: 'deploy' };
  }

  static async create(): Promise<Job> {
    return new Job(await Fleet.create(), mkdtempSync(join(tmpdir(), 'rollback-daemonset-job-')));
  }

  async remove(): Promise<void> {
    await this.fleet.remove();
    rmSync(this.temp, { recursive: true, force: true });
  }

  step(inputs: Inputs, environment: Record<string, string> = {}): Promise<Step> {
    return this.fleet.rollback(inputs, { ...this.#environment, ...environment });
  }

  guard(inputs: Inputs = {}): Promise<Step> {
    return this.step({ command: 'guard', ...inputs });
  }

  /** The post step of a guard, by default after a failure of the job. */
  post({ state }: Pick<Step, 'state'>, inputs: Inputs = {}, environment: Record<string, string> = {}): Promise<Step> {
    return this.fleet.post(state, inputs, { ...this.#environment, ...environment }).done;
  }

  /** The result of a post step is in an annotation, since a post step cannot set outputs. */
  expectPost(step: Step, ends: RegExp, writes: number): void {
    expect(step.outputs).toEqual({});
    expect(step.log).toMatch(ends);
    expect(this.fleet.writes()).toBe(writes);
  }
}
