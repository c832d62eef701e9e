import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { ControlPlaneTool, NodeTool } from './build.ts';
import { files, type ProcessName } from './directory.ts';

/** The start options of the supervisor. */
export interface StartOptions {
  tools: Record<ControlPlaneTool, string>;
  extraApiServerFlags: string[];
  /** As in TestbedOptions. */
  maxContainerRestartPeriod: string;
  /** How many, and what they consist of. */
  realNodes?: { count: number; tools: Record<NodeTool, string> };
}

/** The commands that a running supervisor accepts. */
export type Command = { command: 'start' | 'kill' | 'pause' | 'resume'; name: ProcessName } | { command: 'stop' };

/** The result of the start or of a command. */
export type Outcome = { ready: true } | { error: string };

/** Sends a request without a body to a socket. @throws Error with the text of an answer other than 200. */
export async function requestOn(socketPath: string, path: string): Promise<void> {
  const answer = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    request({ socketPath, path, method: 'POST', agent: false })
      .once('response', (response) => text(response).then((body) => resolve({ status: response.statusCode, body }), reject))
      .once('error', reject)
      .end();
  });
  if (answer.status !== 200) throw new Error(answer.body);
}

/** Sends a command to the supervisor of a test bed, and returns when it is done. */
export async function send(directory: string, command: Command): Promise<void> {
  const outcome = await new Promise<Outcome>((resolve, reject) => {
    request({ socketPath: files(directory).control, method: 'POST', agent: false })
      .once('response', (response) => text(response).then((body) => resolve(JSON.parse(body) as Outcome), reject))
      .once('error', reject)
      .end(JSON.stringify(command));
  });
  if ('error' in outcome) throw new Error(outcome.error);
}
