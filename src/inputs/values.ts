/** How the text of an input becomes a value. A text that is none is reported, and gives a value that is never used. */

import type { PluginPolicy } from '../cluster/exec-policy.ts';
import { quoteName } from '../cluster/quote.ts';
import type { AskedRevision, NamedRevision } from '../daemonset/asked-revision.ts';
import { COMMANDS, type Command } from '../daemonset/outcome.ts';
import type { Tolerance } from '../daemonset/patience.ts';
import { PREFLIGHTS, type PreflightMode } from '../daemonset/preflight.ts';
import type { StableFor } from '../daemonset/stability.ts';
import { parseDuration } from '../duration.ts';

/** Reports what is wrong with an input. */
export type Wrong = (problem: string) => void;

/** Reads a text without white space around it. */
export type Read<T> = (text: string, wrong: Wrong) => T;

/** 7 days. No job runs longer, and timers overflow. */
const LONGEST_MS = 7 * 24 * 3_600_000;
/** More lines do not fit into a summary. */
const MOST_LOG_LINES = 500;

export const readText: Read<string> = (text) => text;

/** `auto` means that the input does not decide. */
export const readOrAuto: Read<string | undefined> = (text) => (text === 'auto' ? undefined : text);

export const readCommand: Read<Command | undefined> = (text, wrong) => {
  const command = COMMANDS.find((name) => name === text);
  if (!command) wrong(`"${text}" is not a command. Use one of: ${COMMANDS.join(', ')}.`);
  return command;
};

export const readPreflight: Read<PreflightMode> = (text, wrong) => {
  const mode = PREFLIGHTS.find((name) => name === text);
  if (!mode) wrong(`"${text}" is not one of: ${PREFLIGHTS.join(', ')}.`);
  return mode ?? 'enforce';
};

export const readBoolean: Read<boolean> = (text, wrong) => {
  const value = text.toLowerCase();
  if (value !== 'true' && value !== 'false') wrong(`"${text}" is neither "true" nor "false".`);
  return value === 'true';
};

/** The kubeconfig without blank lines around it. The indentation of its first line matters in YAML. */
export const readKubeconfig: Read<string> = (text) =>
  text.trim().includes('\n') ? text.replace(/^(?:[ \t]*\r?\n)+/, '').trimEnd() : text.trim();

/** Undefined for `auto`, which depends on the command. */
export const readTarget: Read<AskedRevision | undefined> = (text, wrong) => {
  if (text === 'auto') return undefined;
  return text === 'previous' || text === 'last-good' ? { kind: text } : revision(text, '"previous", "last-good", ', wrong);
};

/** Undefined for `any`. */
export const readExpected: Read<NamedRevision | undefined> = (text, wrong) =>
  text === 'any' ? undefined : revision(text, '"any", ', wrong);

export const readRevision: Read<NamedRevision | undefined> = (text, wrong) => (text === '' ? undefined : revision(text, '', wrong));

/** @param words the other values of this input, for the message. */
function revision(text: string, words: string, wrong: Wrong): NamedRevision {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number < 1 || !Number.isSafeInteger(number)) wrong(`"${text}" is not a revision number. They start at 1.`);
    return { kind: 'number', number };
  }
  if (!isName(text)) wrong(`"${text}" is neither a revision number, ${words}nor the name or hash of a ControllerRevision.`);
  return { kind: 'name', name: text };
}

/** Whether the deploy step ran, by its outcome: that of a step that did not run is `skipped`, or empty before it could. Undefined: not given. */
export const readDeployOutcome: Read<boolean | undefined> = (text, wrong) => {
  switch (text) {
    case 'auto':
      return undefined;
    case '':
    case 'skipped':
      return false;
    case 'success':
    case 'failure':
    case 'cancelled':
      return true;
    default:
      wrong(
        `"${text}" is not the outcome of a step: success, failure, cancelled or skipped. In a workflow, use "\${{ steps.ID.outcome }}", where ID is the id of the deploy step.`,
      );
      return undefined;
  }
};

/** In milliseconds, as all durations. */
export const readTimeout: Read<number> = (text, wrong) => {
  const timeoutMs = parseDuration(text);
  if (timeoutMs === undefined) wrong(`"${text}" is not a duration. Use one such as 90s, 10m or 1h30m, or seconds such as 600.`);
  else if (timeoutMs < 1) wrong(`"${text}" is too short. To not wait for the nodes, set wait to false.`);
  else if (timeoutMs > LONGEST_MS) wrong(`"${text}" is longer than a job can run (at most 168h).`);
  return timeoutMs ?? 0;
};

/** @param hint what else the message says. */
export function readDuration(hint = ''): Read<number> {
  return (text, wrong) => {
    const ms = parseDuration(text);
    if (ms === undefined) wrong(`"${text}" is not a duration. Use one such as 30s, 5m or 1h30m, or seconds such as 300. ${hint}`.trim());
    else if (ms > LONGEST_MS) wrong(`"${text}" is longer than a job can run (at most 168h).`);
    return ms ?? 0;
  };
}

const readFixedStableFor = readDuration('Use "auto" for what suits the template, or 0 to switch the check off.');

export const readStableFor: Read<StableFor> = (text, wrong) => (text === 'auto' ? text : readFixedStableFor(text, wrong));

export const readTolerance: Read<Tolerance> = (text, wrong) => {
  const [, amount, percent] = /^(\d{1,6})(%?)$/.exec(text) ?? [];
  const number = Number(amount);
  if (amount === undefined || (percent === '%' && number > 100))
    wrong(`"${text}" is neither a number of nodes, such as 2, nor a percentage of them, such as 5%.`);
  return percent === '%' ? { percent: number } : { nodes: number };
};

/** Undefined for `auto`, which depends on who can read the log. */
export const readLogLines: Read<number | undefined> = (text, wrong) => {
  if (text === 'auto') return undefined;
  const lines = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(lines <= MOST_LOG_LINES)) wrong(`"${text}" is neither "auto" nor a number of lines from 0 to ${MOST_LOG_LINES}.`);
  return lines;
};

export const readPlugins: Read<PluginPolicy> = (text, wrong) => {
  const plugins = listed(text);
  if (plugins.length > 1 && (plugins.includes('any') || plugins.includes('none')))
    wrong('"any" and "none" cannot be combined with other entries.');
  if (plugins.includes('any')) return 'any';
  return plugins.includes('none') ? [] : plugins;
};

/** The entries of a list, separated by commas or line breaks. */
export function listed(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((entry) => entry.trim())
    .filter(Boolean);
}

/** The kinds that kubectl accepts before a name, as in `ds/agent`. */
const KIND = /^(ds|daemonsets?)(\.(v1\.)?apps)?$/;

/**
 * A DaemonSet: `name`, `namespace/name`, or as in kubectl `ds/name`. A namespace that has the name of a kind can only be given by the
 * input `namespace`.
 *
 * @param namespace of a name without one; empty if it is that of the context.
 */
export function daemonSetNamed(text: string, namespace: string, wrong: Wrong): { namespace: string | undefined; name: string } {
  const parts = text.split('/');
  const [first = '', second] = parts;
  const isQualified = second !== undefined && !KIND.test(first);
  const [before, name] = isQualified ? [first, second] : [namespace, second ?? first];
  if (parts.length > 2 || !isName(name) || (isQualified && !isNamespace(before))) {
    wrong(
      `${quoteName(text)} is not a valid DaemonSet name. Use name, namespace/name or ds/name, with lower-case letters, digits, "-" and ".".`,
    );
  }
  return { namespace: before || undefined, name };
}

/** A DNS subdomain name (RFC 1123), as Kubernetes requires for names. */
function isName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text);
}

/** A DNS label (RFC 1123), as Kubernetes requires for namespaces. */
export function isNamespace(text: string): boolean {
  return text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);
}
