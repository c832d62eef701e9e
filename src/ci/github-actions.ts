import { appendFileSync } from 'node:fs';
import * as core from '@actions/core';
import { outputsOf } from '../report/outputs.ts';
import type { Report } from '../report/report.ts';
import { summaryOf } from '../report/summary.ts';
import { annotationText, logLine, truncate } from '../report/text.ts';
import type { Environment } from './environment.ts';
import { type InBrief, type Level, type Part, Writer } from './writer.ts';

/** The runner shows 10 annotations of each kind for a step; one is reserved for the conclusion. */
const MOST_WARNINGS = 9;
/** The longest title of an annotation, in UTF-16 code units. */
const LONGEST_TITLE = 200;

const PRINT = { error: core.error, warning: core.warning, notice: core.notice };

/** Writes the log of a job of GitHub Actions with its masks and annotations, the outputs and the summary. */
export class GitHubActions extends Writer {
  readonly #environment: Environment;

  /** Where the environment names no files for them, there are no outputs and no summary. */
  constructor(environment: Environment) {
    super();
    this.#environment = environment;
  }

  /** The runner sets RUNNER_DEBUG for debug logging. */
  override debug(line: string): void {
    if (core.isDebug()) core.debug(logLine(this.hide(line)));
  }

  /**
   * GitHub's runner masks the secrets in what other steps print, too. It removes the command that registers one from the log; elsewhere that
   * command would stay in the log, with the secret.
   */
  override mask(secrets: string[]): void {
    super.mask(secrets);
    if (this.#environment['GITHUB_ACTIONS'] === 'true') for (const secret of secrets) core.setSecret(secret);
  }

  /** Saves a value for the post step of this step. Debug logs print it. */
  save(name: string, value: unknown): void {
    core.saveState(name, value);
  }

  protected override printLine(line: string): void {
    core.info(line);
  }

  protected override printWarning(text: string): void {
    if (this.warnings.length <= MOST_WARNINGS) core.warning(annotationText(text));
    else this.info(`Warning: ${text}`);
  }

  protected override printGroup(title: string, lines: string[]): void {
    core.startGroup(title);
    for (const line of lines) core.info(line);
    core.endGroup();
  }

  protected override printVerdict(level: Level, title: string, text: string): void {
    PRINT[level](annotationText(text), { title: truncate(logLine(title), LONGEST_TITLE) });
  }

  protected override partsOf(report: Report, { outcome, reason, plain }: InBrief): Part[] {
    return [
      {
        name: 'the outputs',
        write: () => this.#writeOutputs(outputsOf(report)),
        plain: () => this.#writeOutputs({ outcome, reason }),
      },
      {
        name: 'the summary',
        write: () => this.#writeSummary(summaryOf(report)),
        plain: () => this.#writeSummary(`## ${plain}\n`),
      },
    ];
  }

  #writeOutputs(outputs: Record<string, string>): void {
    if (this.#environment['GITHUB_OUTPUT']) for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value);
  }

  #writeSummary(text: string): void {
    const { GITHUB_STEP_SUMMARY: path } = this.#environment;
    if (path) appendFileSync(path, this.hide(text));
  }
}
