import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { TemplateChange } from '../../../src/daemonset/diff.ts';
import type { Revision } from '../../../src/daemonset/revision.ts';
import { changeLines, differences, historyLines } from '../../../src/report/lines.ts';
import { template } from '../builders.ts';

const change = (before: TemplateChange['before'], after: TemplateChange['after'], sensitive = false): TemplateChange => ({
  path: 'spec.x',
  before,
  after,
  sensitive,
});

describe('changeLines', () => {
  test.each<[string, TemplateChange, string[]]>([
    ['a value', change('a', 'b'), ['@@ spec.x @@', '- a', '+ b']],
    ['something new', change(undefined, true), ['@@ spec.x @@', '+ true']],
    ['something gone', change(7, undefined), ['@@ spec.x @@', '- 7']],
    ['an object', change({ a: [1] }, undefined), ['@@ spec.x @@', '- {', '-   "a": [', '-     1', '-   ]', '- }']],
    ['what may be secret', change('hunter1', 'hunter2', true), ['@@ spec.x @@', '! <changed>']],
    ['text of several lines', change('a\nb', ''), ['@@ spec.x @@', '- a b', '+ ']],
  ])('%s', (_name, one, lines) => {
    expect(changeLines([one], false)).toEqual(lines);
  });

  test('values are shown where that is asked for', () => {
    expect(changeLines([change('hunter1', 'hunter2', true)], true)).toEqual(['@@ spec.x @@', '- hunter1', '+ hunter2']);
  });

  test('of any value: few lines, none of them long or broken', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, path) => {
        const lines = changeLines([{ path, before: value as TemplateChange['before'], after: undefined, sensitive: false }], true);
        expect(lines.length).toBeLessThanOrEqual(42);
        for (const line of lines) expect(line).toMatch(/^(@@ .* @@|[-+] .*)$/u);
      }),
    );
  });

  test('differences are counted', () => {
    expect([differences([change(1, 2)]), differences([])]).toEqual(['1 difference', '0 differences']);
  });
});

test('historyLines stand in columns, with the current revision marked', () => {
  const revision = (number: number, changeCause: string | undefined): Revision => ({
    number,
    name: `agent-${'x'.repeat(number)}`,
    hash: 'h',
    changeCause,
    created: undefined,
    images: [`agent:v${number}`, 'sidecar:1'],
    template: template(`agent:v${number}`),
    digest: String(number),
  });
  expect(historyLines({ before: [revision(10, 'deploy\nten'), revision(9, undefined)], currentBefore: 'agent-xxxxxxxxxx' })).toEqual([
    'REVISION       CONTROLLERREVISION   CHANGE-CAUSE   IMAGES',
    '10 (current)   agent-xxxxxxxxxx     deploy ten     agent:v10, sidecar:1',
    '9              agent-xxxxxxxxx      <none>         agent:v9, sidecar:1',
  ]);
});
