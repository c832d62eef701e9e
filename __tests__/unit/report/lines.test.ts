import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { diffTemplates, type TemplateChange } from '../../../src/daemonset/diff.ts';
import { changeLines, differences, templateLines } from '../../../src/report/lines.ts';
import { template } from '../../helpers/builders.ts';

const change = (before: TemplateChange['before'], after: TemplateChange['after'], sensitive = false): TemplateChange => ({
  path: 'spec.x',
  before,
  after,
  sensitive,
});

describe('changeLines', () => {
  test.each<[string, TemplateChange, string[]]>([
    ['a value', change('a', 'b'), ['@@ spec.x @@', '- a', '+ b']],
    ['an added value', change(undefined, true), ['@@ spec.x @@', '+ true']],
    ['a removed value', change(7, undefined), ['@@ spec.x @@', '- 7']],
    ['an object', change({ a: [1] }, undefined), ['@@ spec.x @@', '- {', '-   "a": [', '-     1', '-   ]', '- }']],
    ['a sensitive value', change('hunter1', 'hunter2', true), ['@@ spec.x @@', '! <changed>']],
    ['text of several lines', change('a\nb', ''), ['@@ spec.x @@', '- a b', '+ ']],
  ])('%s', (_name, one, lines) => {
    expect(changeLines([one], false)).toEqual(lines);
  });

  test('show sensitive values on request', () => {
    expect(changeLines([change('hunter1', 'hunter2', true)], true)).toEqual(['@@ spec.x @@', '- hunter1', '+ hunter2']);
  });

  test('are few lines for any value, none of them broken', () => {
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

test('templateLines are YAML, with sensitive values only on request', () => {
  const env = [
    { name: 'TOKEN', value: 'hunter2' },
    { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
  ];
  const one = { template: template('agent:v1', { command: ['run', '--token=hunter2'], env }) };
  expect(templateLines(one, false)).toEqual([
    'metadata:',
    '  labels:',
    '    app: agent',
    'spec:',
    '  containers:',
    '    - name: agent',
    '      image: agent:v1',
    '      command: <hidden>',
    '      env:',
    '        - name: TOKEN',
    '          value: <hidden>',
    '        - name: NODE',
    '          valueFrom:',
    '            fieldRef:',
    '              fieldPath: spec.nodeName',
  ]);
  expect(templateLines(one, true).join('\n')).toContain('value: hunter2');
  fc.assert(
    fc.property(fc.jsonValue(), fc.boolean(), (value, showValues) => {
      const lines = templateLines({ template: { spec: value as never } }, showValues);
      for (const line of lines) expect(line).not.toMatch(/[\r\n\u2028]/);
    }),
  );
});

test('integers above 2^53 are shown to the letter, in a template and in a difference', () => {
  const large = { spec: { tolerations: [{ tolerationSeconds: 9007199254740993n }] } };
  for (const showValues of [true, false]) expect(templateLines({ template: large }, showValues).join('\n')).toContain("'9007199254740993'");
  const changes = diffTemplates(large, { spec: { tolerations: [{ tolerationSeconds: 9007199254740995n }] } });
  expect(changeLines(changes, true).join('\n')).toMatch(/9007199254740993[\s\S]*9007199254740995/);
});
