import { appendFileSync } from 'node:fs';
import * as core from '@actions/core';
import { isSuccess, worstOf } from '../daemonset/outcome.ts';
import { formatDuration } from '../duration.ts';
import { roundup, verdictOf } from '../report/headline.ts';
import { Masks } from '../report/masks.ts';
import { messageOf } from '../report/messages/conclusion.ts';
import { outputsOf } from '../report/outputs.ts';
import type { Report } from '../report/report.ts';
import { summaryOf } from '../report/summary.ts';
import { annotationText, logLine, truncate } from '../report/text.ts';
import type { Environment } from './environment.ts';

/** The runner shows 10 annotations of each kind for a step; one is reserved for the conclusion. */
const MOST_WARNINGS = 9;
/** The longest title of an annotation, in UTF-16 code units. */
const LONGEST_TITLE = 200;

/** Writes the job's log, masks, outputs and summary. Nothing else prints, so nothing unsafe is printed. */
export class Writer {
  readonly warnings: string[] = [];
  readonly #environment: Environment;
  readonly #masks = new Masks();

  /** Outside of GitHub Actions, where the environment names no files for them, there are no outputs and no summary. */
  constructor(environment: Environment) {
    this.#environment = environment;
  }

  info(line: string): void {
    core.info(logLine(this.hide(line)));
  }

  /** The same warning is not repeated: a dry run and a write get the same ones. */
  warning(text: string): void {
    const line = this.hide(text);
    if (this.warnings.includes(line)) return;
    this.warnings.push(line);
    if (this.warnings.length <= MOST_WARNINGS) core.warning(annotationText(line));
    else this.info(`Warning: ${line}`);
  }

  group(title: string, lines: string[]): void {
    core.startGroup(logLine(this.hide(title)));
    for (const line of lines) this.info(line);
    core.endGroup();
  }

  /** Printed only with debug logging: the runner sets RUNNER_DEBUG then. */
  debug(line: string): void {
    if (core.isDebug()) core.debug(logLine(this.hide(line)));
  }

  /**
   * Registers secrets, so that nothing that is written later shows them. GitHub's runner masks them in what other steps print, too. It removes
   * the command that registers one from the log; elsewhere that command would stay in the log, with the secret.
   */
  mask(secrets: string[]): void {
    this.#masks.add(secrets);
    if (this.#environment['GITHUB_ACTIONS'] === 'true') for (const secret of secrets) core.setSecret(secret);
  }

  /** The text without the secrets that are known so far. */
  hide(text: string): string {
    return this.#masks.hide(text);
  }

  /** Saves a value for the post step of this step. Debug logs print it. */
  save(name: string, value: unknown): void {
    core.saveState(name, value);
  }

  /** Writes verdict, outputs and summary, in this order. What cannot be written is a warning, and does not affect the others. */
  write(report: Report): void {
    const { outcome, reason } = worstOf(report.results);
    const plain = `${outcome} (${reason})`;
    const annotate = isSuccess(outcome, report.command) ? core.notice : core.error;
    this.#attempt(
      'the verdict',
      () => this.#writeVerdict(report),
      () => annotate(annotationText(plain)),
    );
    this.#attempt(
      'the outputs',
      () => this.#writeOutputs(outputsOf(report)),
      () => this.#writeOutputs({ outcome, reason }),
    );
    this.#attempt(
      'the summary',
      () => this.#writeSummary(summaryOf(report)),
      () => this.#writeSummary(`## ${plain}\n`),
    );
    this.#attempt('the duration', () => this.info(`Took ${formatDuration(report.durationMs)}.`));
  }

  /** @param plain writes a plain version, for the case that the full one cannot be made. */
  #attempt(what: string, write: () => void, plain: () => void = write): void {
    try {
      write();
    } catch (error) {
      let inFull = ' in full';
      try {
        plain();
      } catch {
        inFull = '';
      }
      this.#warn(`Could not write ${what} of this step${inFull}: ${reasonOf(error)}`);
    }
  }

  #warn(line: string): void {
    try {
      this.warning(line);
    } catch {
      // There is no log either. The exit status is right all the same.
    }
  }

  #writeVerdict(report: Report): void {
    const { command, results, help } = report;
    const worst = worstOf(results);
    const { outcome, reason } = worst;
    const failed = !isSuccess(outcome, command);
    if (results.length > 1) this.#logEach(report);
    const text = results.length > 1 ? roundup(report) : messageOf(worst);
    if (outcome === 'listed') this.info(text);
    else
      this.#annotate(
        failed ? core.error : outcome === 'absent' ? core.warning : core.notice,
        verdictOf(report),
        `${outcome} (${reason}): ${text}`,
      );
    if (help !== undefined && failed) this.info(`What ${reason} means and what to do: ${help}`);
  }

  #annotate(as: typeof core.error | typeof core.warning | typeof core.notice, title: string, text: string): void {
    as(annotationText(this.hide(text)), { title: truncate(logLine(this.hide(title)), LONGEST_TITLE) });
  }

  #writeOutputs(outputs: Record<string, string>): void {
    if (this.#environment['GITHUB_OUTPUT']) for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value);
  }

  #writeSummary(text: string): void {
    const { GITHUB_STEP_SUMMARY: path } = this.#environment;
    if (path) appendFileSync(path, this.hide(text));
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
        this.#annotate(core.error, verdictOf({ command, results: [result] }), text);
      }
    }
  }
}

/** Why something could not be written, without the path of a file: `no space left on the device (ENOSPC)`. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined ? message : `${WHY[code] ?? 'the file cannot be written'} (${code})`;
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'the file does not exist',
  ENOSPC: 'no space left on the device',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a directory',
};
