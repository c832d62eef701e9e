import { writeFileSync } from 'node:fs';
import { documentOf, documentText } from '../report/document.ts';
import { dotenvOf } from '../report/dotenv.ts';
import { junitInBrief, junitOf } from '../report/junit.ts';
import type { Report } from '../report/report.ts';
import { summaryOf } from '../report/summary.ts';
import { logLine } from '../report/text.ts';
import { type InBrief, type Level, type Part, Writer } from './writer.ts';

/** What the command line writes, and where. */
export interface PlainOptions {
  output: 'text' | 'json' | 'yaml';
  /** Paths of files, of those that were asked for. */
  envFile?: string;
  results?: string;
  junit?: string;
  summary?: string;
  /** Print details that help to debug. */
  debug: boolean;
  exitStatusOf: (report: Report) => number;
}

/**
 * Writes a plain log, and the files that any CI system can read. A log in text goes to stdout, its warnings and failures to stderr. With
 * another output, stdout is one document, and the whole log goes to stderr.
 */
export class Plain extends Writer {
  readonly #options: PlainOptions;

  constructor(options: PlainOptions) {
    super();
    this.#options = options;
  }

  override debug(line: string): void {
    if (this.#options.debug) this.printLine(`debug: ${logLine(this.hide(line))}`);
  }

  protected override printLine(line: string): void {
    (this.#options.output === 'text' ? process.stdout : process.stderr).write(`${line}\n`);
  }

  protected override printWarning(text: string): void {
    process.stderr.write(`${logLine(`Warning: ${text}`)}\n`);
  }

  protected override printGroup(title: string, lines: string[]): void {
    this.printLine(title);
    for (const line of lines) this.printLine(`  ${line}`);
  }

  protected override printVerdict(level: Level, title: string, text: string, styled: (text: string) => string = (text) => text): void {
    const line = (part: string): string => logLine(level === 'notice' ? part : `${level === 'error' ? 'Error' : 'Warning'}: ${part}`);
    const lines = title === '' ? [line(text)] : [styled(line(title)), logLine(text)];
    if (level === 'notice') for (const each of lines) this.printLine(each);
    else process.stderr.write(lines.map((each) => `${each}\n`).join(''));
  }

  protected override partsOf(report: Report, { outcome, reason, plain }: InBrief): Part[] {
    const { output, envFile, results, junit, summary, exitStatusOf } = this.#options;
    const exitStatus = exitStatusOf(report);
    const file = (name: string, path: string | undefined, text: () => string, instead: () => string): Part[] => {
      const write = (content: () => string) => (): void => {
        if (path !== undefined) writeFileSync(path, content());
      };
      return path === undefined ? [] : [{ name, write: write(text), plain: write(instead) }];
    };
    const document = (format: 'json' | 'yaml'): string => documentText(documentOf(report, exitStatus), format);
    const brief = (): string => `${JSON.stringify({ command: report.command, outcome, reason, exitStatus })}\n`;
    const print = (text: () => string) => (): void => {
      process.stdout.write(text());
    };
    return [
      ...file(
        'the variables',
        envFile,
        () => dotenvOf(report, exitStatus),
        () => `ROLLBACK_OUTCOME=${outcome}\nROLLBACK_REASON=${reason}\n`,
      ),
      ...file('the results', results, () => document('json'), brief),
      ...file(
        'the JUnit report',
        junit,
        () => junitOf(report),
        () => junitInBrief(plain, exitStatus),
      ),
      ...file(
        'the summary',
        summary,
        () => this.hide(summaryOf(report)),
        () => `## ${plain}\n`,
      ),
      ...(output === 'text' ? [] : [{ name: 'the document', write: print(() => document(output)), plain: print(brief) }]),
    ];
  }
}
