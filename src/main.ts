import './fail-closed.ts';
import { basename } from 'node:path';
import { Writer } from './ci/writer.ts';
import { AbortReason } from './rollout/context.ts';
import { run } from './run.ts';

/** How long connections that are still open may keep the process, once everything is reported. */
const LINGER_MS = 1_000;

const cancel = new AbortController();
// The runner cancels a job with SIGINT, and 7.5 s later with SIGTERM.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => cancel.abort(new AbortReason('cancelled')));

// The post step of a guard is the same program. It cannot set outputs.
const isPost = basename(process.argv[1] ?? '') === 'post.js';
const { GITHUB_OUTPUT: _none, ...withoutOutputs } = process.env;
const environment = isPost ? withoutOutputs : process.env;
// Not a top-level await: that would put the whole bundle into one function, which is parsed again and again.
void run(isPost ? 'post' : 'main', environment, cancel.signal, new Writer(environment)).then((succeeded) => {
  // Anything that is still open must not delay the job.
  setTimeout(() => process.exit(), LINGER_MS).unref();
  if (succeeded) process.exitCode = 0;
});
