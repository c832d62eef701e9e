import { appendFileSync } from 'node:fs';
import * as core from '@actions/core';
import { isSuccess, worstOf } from '../daemonset/outcome.ts';
import { formatDuration } from '../duration.ts';
import { outputsOf } from './outputs.ts';
import type { Report } from './report.ts';
import { roundup, summaryOf, verdictOf } from './summary.ts';
import { annotationText, logLine, truncate } from './text.ts';

/** The runner shows 10 annotations of a kind a step; one is left for the end. */
const MOST_WARNINGS = 9;
/** A longer title is no title. */
const LONGEST_TITLE = 200;

/** The job's log, masks, outputs and summary. Nothing else prints, so nothing unsafe is printed. */
export class Writer {
  readonly warnings: string[] = [];
  readonly #environment: Readonly<Record<string, string | undefined>>;

  /** Outside of GitHub Actions, where the environment names no files for them, outputs and summary are left out. */
  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment;
  }

  info(line: string): void {
    core.info(logLine(line));
  }

  /** What was said is not said again: the dry run and the write are warned of the same. */
  warning(line: string): void {
    if (this.warnings.includes(line)) return;
    this.warnings.push(line);
    if (this.warnings.length <= MOST_WARNINGS) core.warning(annotationText(line));
    else this.info(`Warning: ${line}`);
  }

  group(title: string, lines: string[]): void {
    core.startGroup(logLine(title));
    for (const line of lines) this.info(line);
    core.endGroup();
  }

  /** Printed only where somebody asked for it: the runner says so by RUNNER_DEBUG. */
  debug(line: string): void {
    if (core.isDebug()) core.debug(logLine(line));
  }

  /** Never to be shown, in any later line. */
  mask(secrets: string[]): void {
    for (const secret of secrets) core.setSecret(secret);
  }

  /** For the post step of this step. It is printed in debug logs. */
  save(name: string, value: unknown): void {
    core.saveState(name, value);
  }

  /** Outputs, summary and verdict. The step fails unless the outcome is a success. */
  write(report: Report): void {
    const { command, results, duration, help } = report;
    const outputs = outputsOf(report);
    if (this.#environment['GITHUB_OUTPUT']) for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value);
    const { GITHUB_STEP_SUMMARY: summary } = this.#environment;
    if (summary) appendFileSync(summary, summaryOf(report));
    const { outcome, reason, message } = worstOf(results);
    const failed = !isSuccess(outcome, command);
    if (results.length > 1) this.#tellEach(report);
    const said = results.length > 1 ? roundup(report) : message;
    if (outcome === 'listed') this.info(said);
    else
      annotate(
        failed ? core.error : outcome === 'absent' ? core.warning : core.notice,
        verdictOf(report),
        `${outcome} (${reason}): ${said}`,
      );
    if (help !== undefined && failed) this.info(`What ${reason} means, and what to do: ${help}`);
    this.info(`Took ${formatDuration(duration)}.`);
    if (failed) process.exitCode = core.ExitCode.Failure;
  }

  /** Of several, how each one ended: the failures as annotations, as far as the runner shows them. */
  #tellEach({ command, results }: Report): void {
    let annotations = 0;
    for (const result of results) {
      const { outcome, reason, message, daemonSet } = result;
      const said = `${outcome} (${reason}): ${message}`;
      if (isSuccess(outcome, command) || annotations === MOST_WARNINGS) this.info(`${daemonSet.namespace}/${daemonSet.name}: ${said}`);
      else {
        annotations += 1;
        annotate(core.error, verdictOf({ command, results: [result] }), said);
      }
    }
  }
}

function annotate(as: typeof core.error | typeof core.warning | typeof core.notice, title: string, text: string): void {
  as(annotationText(text), { title: truncate(logLine(title), LONGEST_TITLE) });
}
