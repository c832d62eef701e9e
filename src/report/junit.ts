import { isSuccess } from '../daemonset/outcome.ts';
import type { Result } from '../daemonset/result.ts';
import { full } from './headline.ts';
import { causeText, nextCommand, runText } from './messages/causes.ts';
import { messageOf } from './messages/conclusion.ts';
import type { Report } from './report.ts';
import { oneLine, truncate } from './text.ts';

/** Of a message in an attribute, in UTF-16 code units; the element has all of it. */
const LONGEST_ATTRIBUTE = 1_000;
const MOST_CAUSES = 10;

/**
 * A report in JUnit's XML: one test case for each DaemonSet, and one for a command that failed. Each outcome that is not a success is a failure, whose type is the reason
 * (testmoapp/junitxml: the elements and attributes that CI systems read).
 */
export function junitOf(report: Report): string {
  const { command, asked = command, commandFailure, results, durationMs, hide } = report;
  const time = (durationMs / 1_000).toFixed(3);
  const failures = results.filter(({ outcome }) => !isSuccess(outcome, command)).length;
  const more = commandFailure === undefined ? 0 : 1;
  const counts = `tests="${results.length + more}" failures="${failures + more}" errors="0" skipped="0" time="${time}"`;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="rollback-daemonset" ${counts}>`,
    `  <testsuite name="rollback-daemonset ${asked}" ${counts}>`,
    // Several are waited for at the same time, so only one alone has a time of its own.
    ...(commandFailure === undefined ? [] : testOfCommand(commandFailure)),
    ...results.flatMap((result) => testCase(result, results.length === 1 ? ` time="${time}"` : '')),
    '  </testsuite>',
    '</testsuites>',
  ];
  return `${lines.join('\n')}\n`;

  function testOfCommand(failure: string): string[] {
    const message = xml(shown([failure]));
    return [
      `    <testcase name="command" classname="rollback-daemonset.${asked}">`,
      `      <failure type="command" message="${message}">${message}</failure>`,
      '    </testcase>',
    ];
  }

  function testCase(result: Result, took: string): string[] {
    const { daemonSet, outcome, reason } = result;
    const name = daemonSet.name === '' ? command : full(daemonSet);
    const verdict = `${outcome} (${reason}): `;
    const text = `${verdict}${shown([messageOf(result)])}`;
    const content = isSuccess(outcome, command)
      ? `<system-out>${xml(text)}</system-out>`
      : `<failure type="${reason}" message="${xml(truncate(text, LONGEST_ATTRIBUTE))}">${xml([text, shown(causesOf(result))].filter(Boolean).join('\n'))}</failure>`;
    return [
      `    <testcase name="${xml(shown([name]))}" classname="rollback-daemonset.${asked}"${took}>`,
      `      ${content}`,
      '    </testcase>',
    ];
  }

  /** Lines without secrets. One can span several lines, so they are hidden together. */
  function shown(parts: readonly string[]): string {
    return hide(parts.map(oneLine).join('\n'));
  }
}

/** A report in two words, for the case that the full one cannot be made. @param plain the conclusion. */
export function junitInBrief(plain: string, exitStatus: number): string {
  const content = exitStatus === 0 ? '' : `<failure message="${xml(plain)}"/>`;
  return `<testsuites><testsuite name="rollback-daemonset"><testcase name="rollback-daemonset">${content}</testcase></testsuite></testsuites>\n`;
}

/** What was found out about nodes that do not run the version, as lines. */
function causesOf({ causes = [], daemonSet }: Result): string[] {
  const more = causes.length > MOST_CAUSES ? [`and ${causes.length - MOST_CAUSES} more causes`] : [];
  const each = causes.slice(0, MOST_CAUSES).flatMap((group) => {
    const { evidence, example } = group;
    const command = nextCommand(group, daemonSet.namespace);
    return [
      '',
      causeText(group),
      ...(command === undefined ? [] : [`Next: ${command}`]),
      ...(evidence && evidence.events.length > 0 ? [`Events of ${example.pod}:`, ...evidence.events] : []),
      // Not indented: a secret that spans several lines is found only where its lines follow each other.
      ...(evidence?.log
        ? [`Log of ${example.pod}, container ${example.failure.container ?? ''}, ${runText(evidence)}:`, ...evidence.log]
        : []),
    ];
  });
  return [...each, ...more];
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text in an element or between double quotes. Its lines have gone through `oneLine`, which leaves only characters that XML 1.0 allows. */
function xml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? '');
}
