/**
 * Everything that people read is plain technical English. This table has the phrases that must not come back, and what to write instead.
 * A message says what happened, why, and what to do next, in that order.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const PHRASES: readonly [phrase: RegExp, instead: string][] = [
  [/\btold\b|\btell(s|ing)?\b/, 'report, log, show, say'],
  [/\b(some|any|no|every)body\b/, 'someone, anyone, no one, everyone'],
  [/\bwho(so)?ever\b/, 'the person who'],
  [/\bthe ones? who\b/, 'the person who'],
  [/\blook(s|ed|ing)? at\b/, 'check, inspect, see, read'],
  [/\bmay not\b/, 'is not allowed to; might not'],
  [/(?<!\bthere )\bis no (?!longer\b|one\b)[a-z]/, 'is not a'],
  [/(?<!\bthere )\bare no (?!longer\b)[a-z]/, 'are not'],
  [/\bwants?\b(?! to )/, 'needs, requires'],
  [/\bas (it|they) (is|are)(?=[.,;:)'"`]|$)/, 'unchanged'],
  [/\b(does|do|did) not go on\b|\bgo(es)? on\b/, 'is not progressing; continues'],
  [/\bhas the word\b/, 'takes precedence'],
  [/\bfare no better\b/, 'would not help'],
  [/\b(cannot|can not|could not) be (told|looked)\b/, 'could not determine'],
  [/\bhold(s|ing)? (it|them|him|her|[a-z ]*rollout) up\b|\bheld up\b/, 'blocks, delays'],
  [/\bends? after each start\b/, 'exits after every start'],
  [/\bthat (it|they) match(es)? none\b/, 'fails if nothing matches'],
  [/\bis to (run|be)\b|\bare to (run|be)\b/, 'is scheduled to run; must be'],
  [/\bfor whom\b|\bwherefore\b|\bwhereof\b|\bthereof\b/, 'plain words'],
  [/\bthe house\b/, 'the project'],
];

/** The files that the phrases must not be in. */
const PATHS = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'action.yml',
  'action-types.yml',
  'docs/*.md',
  'examples',
  'templates',
  'src',
  'rbac',
  'policy',
  'bench',
  'demo',
  'preview',
  'scripts',
  'testbed/*.ts',
  'testbed/*.md',
  '.github',
  '.ci',
  '__tests__',
  ':(exclude)__tests__/unit/language.test.ts',
  ':(exclude)__tests__/fixtures',
];

const files = execFileSync('git', ['ls-files', '--', ...PATHS], { encoding: 'utf8' })
  .split('\n')
  .filter(Boolean);

test('the files are there', () => {
  expect(files.length).toBeGreaterThan(150);
});

test.each(PHRASES)('no text has %s: %s', (phrase) => {
  const found = files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line, index) => (new RegExp(phrase, 'i').test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 160)}`] : [])),
  );
  expect(found).toEqual([]);
});
