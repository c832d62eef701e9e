import { isSuccess, type Outcome, type Reason, worstOf } from '../daemonset/outcome.ts';
import { formatDuration } from '../duration.ts';
import { roundup, verdictOf } from '../report/headline.ts';
import type { GroupKind } from '../report/lines.ts';
import { Masks } from '../report/masks.ts';
import { messageOf } from '../report/messages/conclusion.ts';
import type { Report } from '../report/report.ts';
import { logLine } from '../report/text.ts';

/** Failures that are printed by themselves if there are several DaemonSets: as many annotations as GitHub's runner shows, but for the conclusion. */
const MOST_FAILURES = 9;

/** How a verdict is printed. */
export type Level = 'error' | 'warning' | 'notice';

/** How a step ended, for what cannot be written in full. */
export interface InBrief {
  outcome: Outcome;
  reason: Reason;
  /** Both in one text: `failed (timeout)`. */
  plain: string;
}

/** A part of what a step leaves. What cannot be written is a warning, and does not affect the other parts. */
export interface Part {
  /** For the warning: `the outputs`. */
  name: string;
  write: () => void;
  /** Writes a plain version, for the case that the full one cannot be made. */
  plain: () => void;
}

/** Writes the log and what a step leaves. Nothing else prints, so nothing unsafe is printed. How depends on where the step runs. */
export abstract class Writer {
  readonly warnings: string[] = [];
  readonly #masks = new Masks();

  info(line: string): void {
    this.printLine(logLine(this.hide(line)));
  }

  /** The same warning is not repeated: a dry run and a write get the same ones. */
  warning(text: string): void {
    const line = this.hide(text);
    if (this.warnings.includes(line)) return;
    this.warnings.push(line);
    this.printWarning(line);
  }

  group(title: string, lines: string[], kind?: GroupKind): void {
    this.printGroup(
      logLine(this.hide(title)),
      lines.map((line) => logLine(this.hide(line))),
      kind,
    );
  }

  /** Printed only with debug logging. */
  abstract debug(line: string): void;

  /** Registers secrets, so that nothing that is written later shows them. */
  mask(secrets: string[]): void {
    this.#masks.add(secrets);
  }

  /** The text without the secrets that are known so far. */
  hide(text: string): string {
    return this.#masks.hide(text);
  }

  /** Writes the verdict and all other parts, in this order. */
  write(report: Report): void {
    const { outcome, reason } = worstOf(report.results);
    const plain = `${outcome} (${reason})`;
    const level = isSuccess(outcome, report.command) ? 'notice' : 'error';
    const verdict = { name: 'the verdict', write: () => this.#writeVerdict(report), plain: () => this.printVerdict(level, '', plain) };
    for (const part of [verdict, ...this.partsOf(report, { outcome, reason, plain })]) this.#attempt(part);
    const duration = (): void => this.info(`Took ${formatDuration(report.durationMs)}.`);
    this.#attempt({ name: 'the duration', write: duration, plain: duration });
  }

  /** Prints a line that is safe. */
  protected abstract printLine(line: string): void;

  /** Prints a warning that has no secrets. */
  protected abstract printWarning(text: string): void;

  /** Prints lines that are safe, as details under a title. */
  protected abstract printGroup(title: string, lines: string[], kind?: GroupKind): void;

  /** Prints how a step ended. The texts have no secrets. */
  protected abstract printVerdict(level: Level, title: string, text: string): void;

  /** What the step leaves besides its log. */
  protected abstract partsOf(report: Report, brief: InBrief): Part[];

  #attempt({ name, write, plain }: Part): void {
    try {
      write();
    } catch (error) {
      let inFull = ' in full';
      try {
        plain();
      } catch {
        inFull = '';
      }
      this.#warn(`Could not write ${name} of this step${inFull}: ${reasonOf(error)}`);
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
    if (results.length > 1) this.#writeEach(report);
    const text = results.length > 1 ? roundup(report) : messageOf(worst);
    const level = failed ? 'error' : outcome === 'absent' ? 'warning' : 'notice';
    if (outcome === 'listed') this.info(text);
    else this.#conclude(level, verdictOf(report), `${outcome} (${reason}): ${text}`);
    if (help !== undefined && failed) this.info(`What ${reason} means and what to do: ${help}`);
  }

  /** Logs how each of several ended: failures by themselves, up to a number. */
  #writeEach({ command, results }: Report): void {
    let failures = 0;
    for (const result of results) {
      const { outcome, reason, daemonSet } = result;
      const text = `${outcome} (${reason}): ${messageOf(result)}`;
      if (isSuccess(outcome, command) || failures === MOST_FAILURES) this.info(`${daemonSet.namespace}/${daemonSet.name}: ${text}`);
      else {
        failures += 1;
        this.#conclude('error', verdictOf({ command, results: [result] }), text);
      }
    }
  }

  #conclude(level: Level, title: string, text: string): void {
    this.printVerdict(level, this.hide(title), this.hide(text));
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
