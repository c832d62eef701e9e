import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { Testbed } from './testbed.ts';

/** A response of the API server, from its audit log. */
export interface Answer {
  verb: string;
  requestURI: string;
  userAgent?: string;
  user: User;
  impersonatedUser?: User;
  /** Undefined if the request is not for a resource, such as discovery. */
  objectRef?: { resource: string; namespace?: string; subresource?: string };
  stage: string;
  auditID: string;
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  responseStatus?: { code: number };
}

interface User {
  username: string;
  groups?: string[];
  uid?: string;
  extra?: Record<string, string[]>;
}

/** The present end of the audit log, for `answersSince`. */
export function auditMark({ auditLog }: Testbed): number {
  return statSync(auditLog).size;
}

/**
 * The responses of the API server since `mark`: one per request, also for watches, which are in the log when they start. The log is a moment
 * late.
 *
 * @param isRelevant whether a line of the log is read. The log of a test bed is large.
 */
export function answersSince({ auditLog }: Testbed, mark: number, isRelevant: (line: string) => boolean = () => true): Answer[] {
  const file = openSync(auditLog, 'r');
  try {
    const log = Buffer.alloc(statSync(auditLog).size - mark);
    const read = readSync(file, log, 0, log.length, mark);
    // The last line can be incomplete.
    const lines = log.toString('utf8', 0, read).split('\n').slice(0, -1);
    const answers = lines.filter(isRelevant).map((line) => JSON.parse(line) as Answer);
    const first = new Map<string, Answer>();
    for (const answer of answers) if (isAnswer(answer) && !first.has(answer.auditID)) first.set(answer.auditID, answer);
    return [...first.values()];
  } finally {
    closeSync(file);
  }
}

function isAnswer({ stage, verb }: Answer): boolean {
  return stage === 'ResponseComplete' || (stage === 'ResponseStarted' && verb === 'watch');
}

/** `get daemonsets`, `patch daemonsets dryRun`, `get /api`, … */
export function inWords({ verb, objectRef, requestURI }: Answer): string {
  if (!objectRef) return `${verb} ${requestURI.replace(/\?.*/, '')}`;
  return `${verb} ${objectRef.resource}${requestURI.includes('dryRun=All') ? ' dryRun' : ''}`;
}
