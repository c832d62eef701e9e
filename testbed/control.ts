import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { ToolName } from './build.ts';
import { files, type ProcessName } from './directory.ts';

/** What the supervisor is started with. */
export interface StartOptions {
  tools: Record<Exclude<ToolName, 'act' | 'actionlint'>, string>;
  extraApiServerFlags: string[];
}

/** What the supervisor can be told while it runs. */
export type Command = { command: 'start' | 'kill' | 'pause' | 'resume'; name: ProcessName } | { command: 'stop' };

/** How the start, or a command, ended. */
export type Outcome = { ready: true } | { error: string };

/** Tells the supervisor of a test bed to do something, and returns when it is done. */
export async function tell(directory: string, command: Command): Promise<void> {
  const outcome = await new Promise<Outcome>((resolve, reject) => {
    request({ socketPath: files(directory).control, method: 'POST', agent: false })
      .once('response', (response) => text(response).then((body) => resolve(JSON.parse(body) as Outcome), reject))
      .once('error', reject)
      .end(JSON.stringify(command));
  });
  if ('error' in outcome) throw new Error(outcome.error);
}
