/** What a step writes, as it is after the runner has masked it: every line of the log, the summary, the outputs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { renderMarkdown, visibleText } from '../../../preview/page.ts';
import { GitHubActions } from '../../../src/ci/github-actions.ts';
import type { CauseGroup } from '../../../src/daemonset/cause-groups.ts';
import type { FailingNode } from '../../../src/daemonset/diagnosis.ts';
import type { Result } from '../../../src/daemonset/result.ts';
import type { Revision } from '../../../src/daemonset/revision.ts';
import { commentOf } from '../../../src/report/comment.ts';
import { deploymentStatusOf } from '../../../src/report/deployment-status.ts';
import { Masks } from '../../../src/report/masks.ts';
import type { Report } from '../../../src/report/report.ts';
import { factsWith, template } from '../../helpers/builders.ts';

let folder: string;
let environment: Record<string, string>;
const printed: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-masking-'));
  environment = { GITHUB_ACTIONS: 'true', GITHUB_OUTPUT: join(folder, 'output'), GITHUB_STEP_SUMMARY: join(folder, 'summary') };
  process.env['GITHUB_OUTPUT'] = environment['GITHUB_OUTPUT'];
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
});
afterEach(() => {
  jest.restoreAllMocks();
  delete process.env['GITHUB_OUTPUT'];
  rmSync(folder, { recursive: true, force: true });
});

/** A result with a text wherever the cluster can have one. */
function resultWith(text: string): Result {
  const revision = (number: number): Revision => ({
    number,
    name: `agent-${number}`,
    uid: `uid-${number}`,
    hash: 'h',
    changeCause: `deploy ${text} of ${number}`,
    created: undefined,
    images: [`registry.example/${text}:${number}`],
    template: { ...template('agent'), metadata: { labels: { app: text } } },
    digest: String(number),
  });
  const node: FailingNode = {
    node: `node-${text}`,
    pod: `agent-${text}`,
    failure: { cause: 'image-pull', reason: text, message: `said ${text}`, container: text, image: `registry.example/${text}` },
    since: 0,
    marks: [text],
    isNew: false,
  };
  const group: CauseGroup = {
    cause: 'image-pull',
    stuck: true,
    nodes: [node],
    example: node,
    evidence: { events: [`Failed: ${text}`], log: [text, `a ${text}`], run: 'previous' },
  };
  const changes = [{ path: `spec.${text}`, before: text, after: { [text]: text }, sensitive: false }];
  return {
    daemonSet: { namespace: 'logging', name: 'agent' },
    outcome: 'failed',
    reason: 'image-pull',
    facts: factsWith(`The server said ${text}, and then ${'x'.repeat(150)}`),
    changed: true,
    old: revision(3),
    hold: { time: '2026-01-01T00:00:00Z', reason: text, enforcement: 'advisory' },
    target: revision(2),
    newRevision: 4,
    controllerRevision: 'agent-2',
    changes,
    shown: { revision: revision(2), changes },
    causes: [group],
    history: { before: [revision(3), revision(2)], asOf: 0 },
    toReplace: [{ name: text, node: text }],
    notes: [
      { kind: 'known-good', number: 1, time: text, run: text },
      { kind: 'tolerated', causes: [group] },
      { kind: 'owner', owner: { kind: 'helm', release: text, namespace: text } },
      { kind: 'annotations-left-out', keys: ['a'], why: { kind: 'rejected', message: text } },
      { kind: 'left-by-next-deploy', by: { kind: 'appliers', managers: [text] }, parts: [{ list: 'env', name: text }] },
    ],
  };
}

function reportWith(writer: GitHubActions, text: string, results = [resultWith(text)]): Report {
  return {
    command: 'rollback',
    results: results as [Result, ...Result[]],
    cluster: { server: `https://${text}.example`, context: text },
    showValues: true,
    hide: (all) => writer.hide(all),
    durationMs: 7_400,
    warnings: writer.warnings,
    help: undefined,
  };
}

interface Written {
  /** Without the commands that register secrets, which the runner removes. */
  log: string[];
  summary: string;
  outputs: string;
  comment: string;
  description: string;
}

/** Everything that a step with this text in every place leaves behind. */
function write(text: string, secrets: string[], several = false): Written {
  printed.length = 0;
  for (const file of ['output', 'summary']) writeFileSync(join(folder, file), '');
  const writer = new GitHubActions(environment);
  writer.mask(secrets);
  writer.info(text);
  writer.warning(`a warning: ${text}`);
  writer.group(`group ${text}`, [text]);
  const report = reportWith(writer, text, several ? [resultWith(text), resultWith(text)] : undefined);
  writer.write(report);
  return {
    log: printed
      .join('')
      .split(/\r?\n/)
      .filter((line) => !line.startsWith('::add-mask::')),
    summary: readFileSync(join(folder, 'summary'), 'utf8'),
    outputs: readFileSync(join(folder, 'output'), 'utf8'),
    comment: commentOf(report, '<!-- marker -->', { workflow: text, job: text, link: 'https://github.example' }),
    description: deploymentStatusOf(report)?.description ?? '',
  };
}

/** What the runner does with a log and with a summary: in each line, each registered value is replaced. */
const masked = (lines: string[], secret: string): string[] => lines.map((line) => line.replaceAll(secret, '***'));

/** Printable ASCII, in which what must be escaped somewhere is common. */
const secret = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.string({ minLength: 1, maxLength: 4 }) },
      fc.constantFrom(
        '::',
        '##[',
        '@octocat',
        '#1',
        '&',
        '<',
        '>',
        '|',
        '`',
        '**',
        '_',
        '](',
        '\\',
        '"',
        "'",
        '%0A',
        '{{',
        '$',
        'https://',
        '.',
        '-',
      ),
    ),
    { minLength: 3, maxLength: 8 },
  )
  .map((parts) => parts.join('').trim())
  .filter((text) => text.length >= 6 && !'***'.includes(text));

/** Around a secret: nothing that joins with its characters. */
const around = fc.constantFrom(
  (text: string) => text,
  (text: string) => `a ${text} b`,
  (text: string) => `${'x'.repeat(190)} ${text}`,
  (text: string) => `octo ${text} @octocat #1 https://a.example`,
);

describe('a secret that the step knows', () => {
  test('is nowhere, whatever is escaped there', async () => {
    await fc.assert(
      fc.asyncProperty(secret, around, fc.boolean(), async (one, place, several) => {
        const { log, summary, outputs, comment, description } = write(place(one), [one], several);
        const unescaped = log.map((line) => line.replaceAll('%25', '%'));
        expect([...unescaped, ...log, description].filter((line) => line.includes(one))).toEqual([]);
        for (const text of [summary, outputs, comment]) expect(text.includes(one)).toBe(false);
        expect(outputs.replaceAll('\\"', '"').replaceAll('\\\\', '\\').includes(one)).toBe(false);
        for (const text of [summary, comment]) expect(visibleText(await renderMarkdown(text)).includes(one)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  test('is not shown in part where a value is cut', () => {
    const masks = new Masks();
    masks.add(['correct-horse-battery']);
    expect(masks.hide('a correct-horse-b… and correct…')).toBe('a ***… and ***…');
    expect(masks.hide('a corre… and correct')).toBe('a corre… and correct');
    const { log, summary, outputs, description } = write(`${'x'.repeat(175)} correct-horse-battery`, ['correct-horse-battery']);
    for (const text of [...log, summary, outputs, description]) expect(text).not.toContain('correct');
  });

  test('does not change the words that later steps compare', () => {
    const { outputs } = write('x', ['failed', 'image-pull']);
    expect(outputs).toContain('\nfailed\n');
    expect(outputs).toContain('"outcome":"failed","reason":"image-pull"');
  });
});

describe('a secret that only the runner knows', () => {
  test('is masked in the summary if it has neither & nor <', async () => {
    await fc.assert(
      fc.asyncProperty(
        secret.filter((one) => !/[&<]/.test(one)),
        around,
        fc.boolean(),
        async (one, place, several) => {
          const { summary } = write(place(one), [], several);
          const html = await renderMarkdown(masked(summary.split('\n'), one).join('\n'));
          expect(visibleText(html).includes(one)).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('is masked in the lines of the log, unless it has the beginning of a command', () => {
    fc.assert(
      fc.property(
        secret.filter((one) => !/##\[|::|%/.test(one)),
        around,
        (one, place) => {
          const { log } = write(place(one), []);
          expect(masked(log, one).filter((line) => line.includes(one))).toEqual([]);
          expect(log.some((line) => line.includes(one))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each(['Tr0ub4dor-3.x', 'registry.corp.example:5000', 'p*ss_w|rd`[x](y)', '::secret::', 'a$b$c d'])(
    '%s is in the summary as it was written',
    (one) => {
      const { summary, log } = write(one, []);
      expect(summary.split(one).length).toBeGreaterThan(20);
      expect(log).toContain(one.startsWith('::') ? `> ${one}` : one);
    },
  );
});

describe('the command that registers a secret', () => {
  test('is printed on a runner, which removes it from the log', () => {
    write('x', ['hunter-two']);
    expect(printed.join('')).toContain('::add-mask::hunter-two');
  });

  test.each([{}, { GITHUB_ACTIONS: 'false' }, { CI: 'true' }])('is not printed elsewhere, and the log has no secret: %j', (changes) => {
    environment = changes;
    const { log } = write('hunter-two', ['hunter-two']);
    expect(printed.join('')).not.toContain('hunter-two');
    expect(log).toContain('***');
  });
});
