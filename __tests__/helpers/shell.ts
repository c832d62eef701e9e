/** Runs the shell parts of documented pipelines, as a CI system would. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { packedPackage } from './package.ts';
import { sharedTestbed } from './support.ts';

export interface Ended {
  code: number | null;
  /** What was printed. */
  log: string;
}

/** How a process ended, with what it printed on both streams. */
export function endOf(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ended> {
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log += chunk.toString('utf8');
    });
  }
  return new Promise((end, fail) => child.on('error', fail).on('close', (code) => end({ code, log })));
}

/** A folder with a job's workspace, and nothing else of this machine but the programs on its PATH. */
export class Workspace {
  readonly #directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-shell-'));
  readonly project = join(this.#directory, 'project');
  /** A folder beside the workspace that belongs to the job. */
  readonly temporary = join(this.#directory, 'project@tmp');

  constructor(files: Record<string, string>) {
    for (const folder of [this.project, this.temporary]) mkdirSync(folder);
    for (const [path, text] of Object.entries(files)) writeFileSync(join(this.project, path), text);
  }

  /** Runs a script with `sh -eu`. The package is what `npm pack` makes of this repository, and KUBECONFIG that of the test bed. */
  run(script: string, variables: Record<string, string> = {}): Promise<Ended> {
    const { kubectl, kubeconfig } = sharedTestbed();
    const prefix = join(this.#directory, 'npm');
    const installed = script.replace(/\brollback-daemonset@[\w.-]+/g, packedPackage());
    const child = spawn('sh', ['-eu', '-c', installed], {
      cwd: this.project,
      env: {
        PATH: [join(prefix, 'bin'), dirname(kubectl), process.env['PATH']].join(delimiter),
        HOME: this.#directory,
        npm_config_prefix: prefix,
        KUBECONFIG: kubeconfig,
        CI: 'true',
        ...variables,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return endOf(child);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
