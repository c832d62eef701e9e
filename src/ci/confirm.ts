import { createInterface } from 'node:readline/promises';
import type { Report } from '../report/report.ts';
import type { Proposal } from '../rollout/context.ts';
import type { Writer } from './writer.ts';

/** DaemonSets that a question names. */
const MOST_NAMED = 20;

/**
 * Asks at the terminal whether to write: what, in which context and namespace, and on how many nodes. Anything but `y` or `yes` means no, and so
 * does the end of the input.
 *
 * @throws the signal's reason if it is aborted first.
 */
export async function confirm(
  proposals: readonly Proposal[],
  { server, context }: NonNullable<Report['cluster']>,
  signal: AbortSignal,
  writer: Writer,
): Promise<boolean> {
  writer.info('');
  writer.info(`Context ${context} (${server})`);
  for (const { daemonSet, change, nodes } of proposals.slice(0, MOST_NAMED)) {
    const on = nodes === 1 ? '1 node' : `${nodes} nodes`;
    writer.info(`Namespace ${daemonSet.namespace}, DaemonSet ${daemonSet.name}, ${on}: ${change}`);
  }
  if (proposals.length > MOST_NAMED) writer.info(`and ${proposals.length - MOST_NAMED} more DaemonSets`);
  return isYes(await answerTo('Write this? [y/N] ', signal));
}

/** The answer to a question at the terminal; empty at the end of the input. */
async function answerTo(question: string, signal: AbortSignal): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // While it reads, Ctrl-C arrives as a character.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    return await Promise.race([terminal.question(question, { signal }), ended]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}

function isYes(answer: string): boolean {
  return /^\s*y(es)?\s*$/i.test(answer);
}
