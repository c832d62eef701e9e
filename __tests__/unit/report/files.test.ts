/** The files of the command line: the document, the dotenv file and the JUnit report, for any text that a cluster can have. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseXml, XmlElement } from '@rgrove/parse-xml';
import fc from 'fast-check';
import { load } from 'js-yaml';
import type { CauseGroup, Evidence } from '../../../src/daemonset/cause-groups.ts';
import type { FailingNode } from '../../../src/daemonset/diagnosis.ts';
import type { Outcome } from '../../../src/daemonset/outcome.ts';
import type { Result } from '../../../src/daemonset/result.ts';
import type { Revision } from '../../../src/daemonset/revision.ts';
import { documentOf, documentText } from '../../../src/report/document.ts';
import { dotenvOf } from '../../../src/report/dotenv.ts';
import { junitOf } from '../../../src/report/junit.ts';
import { Masks } from '../../../src/report/masks.ts';
import { outputsOf } from '../../../src/report/outputs.ts';
import type { Report } from '../../../src/report/report.ts';
import { factsWith, template } from '../../helpers/builders.ts';

// Windows has no POSIX shell.
const posix = process.platform === 'win32' ? test.skip : test;

const revision = (number: number, text: string): Revision => ({
  number,
  name: `agent-${number}${text}`,
  uid: `uid-${number}`,
  hash: 'h',
  changeCause: `deploy ${text}`,
  created: undefined,
  images: [`registry.example/agent:${number}${text}`],
  template: template('agent'),
  digest: String(number),
});

function causes(text: string): CauseGroup[] {
  const node: FailingNode = {
    node: `node-${text}`,
    pod: `agent-${text}`,
    failure: { cause: 'image-pull', reason: text, message: `said ${text}`, container: text, image: `registry.example/${text}` },
    since: 0,
    marks: [text],
    isNew: false,
  };
  const evidence: Evidence = { events: [`Failed: ${text}`], log: ['first', text], run: 'previous' };
  return [{ cause: 'image-pull', stuck: true, nodes: [node], example: node, evidence }];
}

/** A result with a text wherever the cluster can have one. */
function resultWith(text: string, outcome: Outcome = 'failed', name = 'agent'): Result {
  return {
    daemonSet: { namespace: 'logging', name },
    outcome,
    reason: outcome === 'failed' ? 'image-pull' : 'complete',
    facts: factsWith(`The server said ${text}.`),
    changed: true,
    old: revision(3, text),
    target: revision(2, text),
    newRevision: 4,
    controllerRevision: `agent-2${text}`,
    counts: { desired: 10, updated: 4, available: 3 },
    hold: { time: '2026-01-01T00:00:00Z', reason: text, enforcement: 'advisory' },
    causes: causes(text),
    history: { before: [revision(3, text), revision(2, text)], asOf: 0 },
    toReplace: [{ name: text, node: text }],
    notes: [{ kind: 'known-good', number: 1, time: text, run: text }],
  };
}

function reportWith(text: string, more: Partial<Report> = {}): Report {
  return {
    command: 'rollback',
    results: [resultWith(text)],
    cluster: { server: `https://${text}.example`, context: text },
    showValues: true,
    hide: (shown) => shown,
    durationMs: 7_449,
    warnings: [text],
    help: undefined,
    ...more,
  };
}

const early = reportWith('', {
  results: [
    {
      daemonSet: { namespace: '', name: '' },
      outcome: 'error',
      reason: 'invalid-input',
      facts: { kind: 'invalid-input', mistakes: ['Flag --timeout: "x" is not a duration.'] },
      changed: false,
      notes: [],
    },
  ],
  cluster: undefined,
  warnings: [],
});

/** Any text, and texts that end or begin something in one of the forms. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom(
    '\ud800',
    '\ufffe\uffff\u0000\u000b',
    ']]>',
    '</failure>',
    '" type="x',
    '&lt;&#0;',
    '<!--',
    '--- |\n- a: b\n...',
    '\r\nROLLBACK_OUTCOME=complete',
    '$(touch executed)',
    '`touch executed`',
    "';touch executed;'",
    ' touch executed',
    '~',
    '*',
    '\\',
    '#',
  ),
);

describe('the document', () => {
  test('has the outputs of the action, typed', () => {
    expect(documentOf(reportWith('x', { command: 'history' }), 4)).toMatchObject({
      command: 'history',
      outcome: 'failed',
      reason: 'image-pull',
      exitStatus: 4,
      changed: true,
      cluster: { server: 'https://x.example', context: 'x' },
      durationSeconds: 7.4,
      warnings: ['x'],
      results: [{ namespace: 'logging', name: 'agent', outcome: 'failed', oldRevision: 3, causes: [{ cause: 'image-pull', count: 1 }] }],
      history: [{ revision: 3 }, { revision: 2 }],
    });
  });

  test('has no cluster before one was chosen, and a history only with the command history', () => {
    const document = documentOf(early, 2);
    expect(document).toMatchObject({ outcome: 'error', reason: 'invalid-input', exitStatus: 2, cluster: null });
    expect(document).not.toHaveProperty('history');
  });

  test('has the fields that docs/cli.md shows', () => {
    const [, example = ''] = /^```json\n(.*?)^```$/ms.exec(readFileSync('docs/cli.md', 'utf8')) ?? [];
    const document = documentOf(reportWith('x'), 4);
    const shown = JSON.parse(example) as typeof document;
    expect(Object.keys(shown)).toEqual(Object.keys(document));
    for (const key of Object.keys(shown.results[0] ?? {})) expect(document.results[0]).toHaveProperty([key]);
  });

  test('has the entries of the outputs', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const report = reportWith(text);
        expect(documentOf(report, 4).results).toEqual(JSON.parse(outputsOf(report)['results'] ?? ''));
      }),
    );
  });

  test('has each DaemonSet in full, however many there are', () => {
    const results = Array.from({ length: 1_000 }, (_, index) => resultWith('x'.repeat(1_000), 'failed', `agent-${index}`));
    const document = documentOf(reportWith('', { results: results as [Result, ...Result[]] }), 4);
    expect(document.results).toHaveLength(1_000);
    expect(document.results.at(-1)).toHaveProperty('message');
  });

  test('is the same after JSON and after YAML, for any text', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const document = documentOf(reportWith(text, { command: 'history' }), 4);
        expect(JSON.parse(documentText(document, 'json'))).toEqual(document);
        expect(load(documentText(document, 'yaml'))).toEqual(document);
        expect(JSON.stringify(document).isWellFormed()).toBe(true);
        expect(JSON.stringify(document)).not.toMatch(/\\ud[89a-f]/);
      }),
    );
  });

  test('has no line that a CI system takes for a command, and no control characters, for any text', () => {
    const command = fc.constantFrom(
      '::error::',
      '##[error]',
      '##vso[task]',
      '##teamcity[x]',
      '###[x]',
      '--- x',
      '\u009b31m',
      '\u001b[0K',
      '\r',
    );
    const texts = fc.array(fc.oneof(command, hostile, fc.constantFrom('\n', ' ', '\u2028')), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(texts, (parts) => {
        const document = documentOf(reportWith(parts.join(''), { command: 'history' }), 4);
        for (const format of ['json', 'yaml'] as const) {
          const text = documentText(document, format);
          expect((format === 'json' ? JSON.parse(text) : load(text)) as object).toEqual(document);
          expect(text).not.toMatch(/##|^\s*::|^(---|\+\+\+|~~~|\^\^\^)|[\p{Cc}\u2028\u2029](?<!\n)/mu);
        }
      }),
    );
  });
});

describe('the dotenv file', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-dotenv-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('has a line for each scalar', () => {
    expect(dotenvOf(reportWith(''), 4).split('\n')).toEqual([
      'ROLLBACK_OUTCOME=failed',
      'ROLLBACK_REASON=image-pull',
      'ROLLBACK_CHANGED=true',
      'ROLLBACK_OLD_REVISION=3',
      'ROLLBACK_TARGET_REVISION=2',
      'ROLLBACK_NEW_REVISION=4',
      'ROLLBACK_CONTROLLER_REVISION=agent-2',
      'ROLLBACK_IMAGES=registry.example/agent:2',
      'ROLLBACK_DESIRED=10',
      'ROLLBACK_UPDATED=4',
      'ROLLBACK_AVAILABLE=3',
      'ROLLBACK_DURATION_SECONDS=7.4',
      'ROLLBACK_EXIT_STATUS=4',
      '',
    ]);
  });

  test('stays below the limit of GitLab, 5 KB', () => {
    const images = Array.from({ length: 200 }, (_, index) => `registry.example/agent:${index}`);
    const target = { ...revision(2, ''), images };
    const text = dotenvOf(reportWith('', { results: [{ ...resultWith(''), target }] }), 4);
    expect(Buffer.byteLength(text)).toBeLessThan(5_000);
    expect(text).toContain('\nROLLBACK_IMAGES=\n');
  });

  /** The variables of a shell, after the commands of a script. Multi-line values are in quotes, of which there must be none. */
  function variablesAfter(script: string, file: string): string[] {
    const { stdout, stderr, status } = spawnSync('sh', ['-c', `${script}; set`, 'sh', file], {
      cwd: folder,
      env: { PATH: process.env['PATH'] },
      encoding: 'utf8',
    });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    return stdout.split('\n').filter((line) => !/^(PPID|_|LINENO|BASH\w*|OPTIND)=/.test(line));
  }

  posix('sets only its own variables in a shell, to the values in it, and executes nothing', () => {
    const file = join(folder, 'rollback.env');
    const before = variablesAfter(':', file);
    fc.assert(
      fc.property(hostile, (text) => {
        const dotenv = dotenvOf(reportWith(text), 4);
        writeFileSync(file, dotenv);
        const added = variablesAfter('. "$1"', file).filter((line) => !before.includes(line));
        const unquoted = added.map((line) => line.replace(/='(.*)'$/, '=$1'));
        expect(unquoted.sort()).toEqual(dotenv.trimEnd().split('\n').sort());
        expect(readdirSync(folder)).toEqual(['rollback.env']);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the JUnit report', () => {
  const caseOf = (text: string): XmlElement => {
    const [suite] = elements(parseXml(text).root as XmlElement);
    const [first] = elements(suite as XmlElement);
    return first as XmlElement;
  };
  const elements = (parent: XmlElement): XmlElement[] => parent.children.filter((child) => child instanceof XmlElement);

  test('has a test case for each DaemonSet', () => {
    const root = parseXml(junitOf(reportWith('x', { results: [resultWith('x'), resultWith('y', 'complete', 'other')] })))
      .root as XmlElement;
    const [suite] = elements(root) as [XmlElement];
    expect(root.attributes).toMatchObject({ name: 'rollback-daemonset', tests: '2', failures: '1' });
    expect(suite.attributes).toEqual({
      name: 'rollback-daemonset rollback',
      tests: '2',
      failures: '1',
      errors: '0',
      skipped: '0',
      time: '7.449',
    });
    expect(elements(suite).map(({ attributes }) => attributes)).toEqual([
      { name: 'logging/agent', classname: 'rollback-daemonset.rollback' },
      { name: 'logging/other', classname: 'rollback-daemonset.rollback' },
    ]);
    expect(elements(suite).flatMap(elements)).toMatchObject([
      { name: 'failure', attributes: { type: 'image-pull', message: 'failed (image-pull): The server said x.' } },
      { name: 'system-out', text: 'complete (complete): The server said y.' },
    ]);
  });

  test('has the causes, events and logs of a failure', () => {
    const [failure] = elements(caseOf(junitOf(reportWith('x'))));
    expect(failure?.text.split('\n')).toEqual([
      'failed (image-pull): The server said x.',
      '',
      '1 pod cannot pull the image registry.example/x: said x (node-x)',
      'Next: kubectl describe pod --namespace logging agent-x',
      'Events of agent-x:',
      'Failed: x',
      'Log of agent-x, container x, before its last restart:',
      'first',
      'x',
    ]);
  });

  test.each<Outcome>(['refused', 'failed', 'stalled', 'timed-out', 'superseded', 'deleted', 'cancelled', 'error'])(
    '%s is a failure',
    (outcome) => {
      const [content] = elements(caseOf(junitOf(reportWith('x', { results: [resultWith('x', outcome)] }))));
      expect(content?.name).toBe('failure');
    },
  );

  test('names the command if there is no DaemonSet', () => {
    expect(caseOf(junitOf(early)).attributes).toMatchObject({ name: 'rollback', time: '7.449' });
  });

  test('is well-formed XML, with the structure of a report, for any text', () => {
    fc.assert(
      fc.property(hostile, fc.boolean(), (text, failed) => {
        const xml = junitOf(reportWith(text, { results: [resultWith(text, failed ? 'failed' : 'complete', `agent${text}`)] }));
        const one = caseOf(xml);
        expect(elements(one).map(({ name }) => name)).toEqual([failed ? 'failure' : 'system-out']);
        expect(elements(one).flatMap(elements)).toEqual([]);
        expect(xml.isWellFormed()).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a secret that is known', () => {
  const secret = fc
    .array(fc.oneof(fc.string({ minLength: 1, maxLength: 4 }), fc.constantFrom('&', '<', '"', '\\', '\n', "'", ': ', '/', '-')), {
      minLength: 3,
      maxLength: 8,
    })
    .map((parts) => parts.join('').trim())
    .filter((text) => text.length >= 6 && !'***'.includes(text));

  test('is in none of the files, whatever is escaped there', () => {
    fc.assert(
      fc.property(secret, (one) => {
        const masks = new Masks();
        masks.add([one]);
        const report = reportWith(`octo ${one} b`, { hide: (text) => masks.hide(text), command: 'history' });
        const document = documentOf(report, 4);
        const strings = JSON.stringify(document, (_, value: unknown) =>
          typeof value === 'string' && value.includes(one) ? 'LEAK' : value,
        );
        expect(strings).not.toContain('"LEAK"');
        for (const text of [documentText(document, 'json'), documentText(document, 'yaml'), dotenvOf(report, 4), junitOf(report)])
          expect(text.includes(one)).toBe(false);
        const [suite] = (parseXml(junitOf(report)).root as XmlElement).children.filter((child) => child instanceof XmlElement);
        expect((suite as XmlElement).text.includes(one)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  test('is not in the report if it spans lines of a log', () => {
    const masks = new Masks();
    masks.add(['first\nx-secret']);
    expect(junitOf(reportWith('x-secret', { hide: (text) => masks.hide(text) }))).toContain('***');
  });

  test('does not change the words that scripts compare', () => {
    const masks = new Masks();
    masks.add(['failed', 'image-pull']);
    const report = reportWith('x', { hide: (text) => masks.hide(text) });
    expect(documentOf(report, 4)).toMatchObject({ outcome: 'failed', results: [{ outcome: 'failed', reason: 'image-pull' }] });
    expect(dotenvOf(report, 4)).toMatch(/^ROLLBACK_OUTCOME=failed\nROLLBACK_REASON=image-pull\n/);
  });
});
