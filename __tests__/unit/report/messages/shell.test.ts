import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { CauseGroup } from '../../../../src/daemonset/cause-groups.ts';
import type { FailingNode } from '../../../../src/daemonset/diagnosis.ts';
import { CAUSES } from '../../../../src/daemonset/pod-failure.ts';
import type { Facts, Result } from '../../../../src/daemonset/result.ts';
import { nextCommand } from '../../../../src/report/messages/causes.ts';
import { messageOf } from '../../../../src/report/messages/conclusion.ts';
import { leftText } from '../../../../src/report/messages/next-deploy.ts';
import { ownerText } from '../../../../src/report/messages/owners.ts';
import { shellQuote } from '../../../../src/report/messages/shell.ts';

test.each([
  ['log-agent', 'log-agent'],
  ['daemonset/log-agent', 'daemonset/log-agent'],
  ['agent; curl evil.example', "'agent; curl evil.example'"],
  ["it's", String.raw`'it'\''s'`],
  ['$(id)', "'$(id)'"],
  ['~', "'~'"],
  ['=ls', "'=ls'"],
  ['a\nb\u001b[A', "'ab[A'"],
  ['', 'NAME'],
  ['--all', 'NAME'],
])('%j is quoted as %s', (name, word) => {
  expect(shellQuote(name)).toBe(word);
});

// Windows has no POSIX shell.
const posix = process.platform === 'win32' ? test.skip : test;

/** The words that a real shell makes of a command. */
function words(command: string): string[] {
  return execFileSync('sh', ['-c', `printf '%s\\0' ${command}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1);
}

posix('a real shell takes any name as one word', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constantFrom("'", "''", '\\', '`id`', '!!', '*', '{a,b}', '$HOME')),
      (name) => {
        const plain = name.replace(/\p{Cc}/gu, '');
        fc.pre(plain !== '' && !plain.startsWith('-'));
        expect(words(`x ${shellQuote(name)} y`)).toEqual(['x', plain, 'y']);
      },
    ),
    { numRuns: 100 },
  );
});

describe('the command in a message', () => {
  const hostile = `x; touch '/tmp/owned' $(id) "`;
  const result = (facts: Facts, more: Partial<Result> = {}): Result => ({
    daemonSet: { namespace: hostile, name: hostile },
    outcome: 'error',
    reason: 'internal',
    changed: true,
    notes: [],
    facts,
    ...more,
  });
  const recorded = { number: 1, name: 'agent-1' };
  const unfinished = { kind: 'unfinished-rollout', version: 'restored' } as const;
  const messages: [string, string][] = [
    ['write-unknown', messageOf(result({ kind: 'write-unknown', why: 'no answer' }))],
    ['timeout', messageOf(result({ ...unfinished, end: 'timeout' }))],
    ['on-delete', messageOf(result({ ...unfinished, end: 'on-delete' }, { toReplace: [{ name: hostile, node: '' }] }))],
    ['misreported', messageOf(result({ ...unfinished, end: 'failed', misreported: [hostile, hostile] })).replace(/\. 0 of .*$/, '')],
    ['guard', messageOf(result({ kind: 'not-observed' }, { recorded }))],
    ['created', messageOf(result({ kind: 'created-by-job' }))],
    ...(
      [
        { kind: 'argo-cd', application: hostile },
        { kind: 'flux', object: 'kustomization', name: hostile, namespace: hostile },
        { kind: 'helm', release: hostile, namespace: hostile },
      ] as const
    ).map((owner): [string, string] => [owner.kind, ownerText(owner)]),
    ['left by helm', leftText({ by: { kind: 'helm', release: hostile, namespace: hostile }, parts: [] })],
    ...CAUSES.flatMap((cause): [string, string][] => {
      const failure = { cause, reason: '', message: '', container: hostile };
      const example: FailingNode = { node: hostile, pod: hostile, failure, since: 0, marks: [], isNew: false };
      const group: CauseGroup = { cause, stuck: true, nodes: [example], example };
      const command = nextCommand(group, hostile);
      return command === undefined ? [] : [[cause, command]];
    }),
  ];

  posix.each(messages)('is one command, and its names are words of it: %s', (_name, message) => {
    const command = /(?:^|: )((?:kubectl|argocd|flux|helm) .*)$/s.exec(message)?.[1] ?? '';
    const all = words(command);
    expect(['kubectl', 'argocd', 'flux', 'helm']).toContain(all[0]);
    const names = all.filter((word) => /[;$"' ]/.test(word));
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(name.replace(/^daemonset\//, '')).toBe(hostile);
  });
});
