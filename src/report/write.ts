import { appendFileSync } from 'node:fs';
import * as core from '@actions/core';
import { isSuccess, worstOf } from '../daemonset/outcome.ts';
import { formatDuration } from '../duration.ts';
import { messageOf } from './messages/conclusion.ts';
import { outputsOf } from './outputs.ts';
import type { Report } from './report.ts';
import { roundup, summaryOf, verdictOf } from './summary.ts';
import { annotationText, logLine, truncate } from './text.ts';

/** The runner shows 10 annotations of each kind for a step; one is reserved for the conclusion. */
const MOST_WARNINGS = 9;
/** The longest title of an annotation, in UTF-16 code units. */
const LONGEST_TITLE = 200;

/** Writes the job's log, masks, outputs and summary. Nothing else prints, so nothing unsafe is printed. */
export class Writer {
  readonly warnings: string[] = [];
  readonly #environment: Readonly<Record<string, string | undefined>>;

  /** Outside of GitHub Actions, where the environment names no files for them, there are no outputs and no summary. */
  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment;
  }

  info(line: string): void {
    core.info(logLine(line));
  }

  /** The same warning is not repeated: a dry run and a write get the same ones. */
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

  /** Printed only with debug logging: the runner sets RUNNER_DEBUG then. */
  debug(line: string): void {
    if (core.isDebug()) core.debug(logLine(line));
  }

  /** Registers secrets, so that no later line shows them. */
  mask(secrets: string[]): void {
    for (const secret of secrets) core.setSecret(secret);
  }

  /** Saves a value for the post step of this step. Debug logs print it. */
  save(name: string, value: unknown): void {
    core.saveState(name, value);
  }

  /** Writes outputs, summary and verdict. The step fails unless the outcome is a success. */
  write(report: Report): void {
    const { command, results, duration, help } = report;
    const outputs = outputsOf(report);
    if (this.#environment['GITHUB_OUTPUT']) for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value);
    const { GITHUB_STEP_SUMMARY: summary } = this.#environment;
    if (summary) appendFileSync(summary, summaryOf(report));
    const worst = worstOf(results);
    const { outcome, reason } = worst;
    const failed = !isSuccess(outcome, command);
    if (results.length > 1) this.#logEach(report);
    const text = results.length > 1 ? roundup(report) : messageOf(worst);
    if (outcome === 'listed') this.info(text);
    else
      annotate(
        failed ? core.error : outcome === 'absent' ? core.warning : core.notice,
        verdictOf(report),
        `${outcome} (${reason}): ${text}`,
      );
    if (help !== undefined && failed) this.info(`What ${reason} means and what to do: ${help}`);
    this.info(`Took ${formatDuration(duration)}.`);
    if (failed) process.exitCode = core.ExitCode.Failure;
  }

  /** Logs how each of several ended: failures as annotations, as many as the runner shows. */
  #logEach({ command, results }: Report): void {
    let annotations = 0;
    for (const result of results) {
      const { outcome, reason, daemonSet } = result;
      const text = `${outcome} (${reason}): ${messageOf(result)}`;
      if (isSuccess(outcome, command) || annotations === MOST_WARNINGS) this.info(`${daemonSet.namespace}/${daemonSet.name}: ${text}`);
      else {
        annotations += 1;
        annotate(core.error, verdictOf({ command, results: [result] }), text);
      }
    }
  }
}

function annotate(as: typeof core.error | typeof core.warning | typeof core.notice, title: string, text: string): void {
  as(annotationText(text), { title: truncate(logLine(title), LONGEST_TITLE) });
}
