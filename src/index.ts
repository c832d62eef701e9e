import { basename } from 'node:path';
import { run } from './action.ts';
import { Writer } from './report/write.ts';
import { Interruption } from './rollback/world.ts';

const cancel = new AbortController();
// A cancelled job gets SIGINT, and 7.5 s later SIGTERM.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => cancel.abort(new Interruption('cancelled')));

// The post step of a guard is the same program. It can set no outputs.
const isPost = basename(process.argv[1] ?? '') === 'post.js';
const { GITHUB_OUTPUT: _none, ...withoutOutputs } = process.env;
const environment = isPost ? withoutOutputs : process.env;
// Not by a top-level await: the bundle would have all of itself in one function then, and be parsed again and again.
void run(isPost ? 'post' : 'main', environment, cancel.signal, new Writer(environment)).finally(() => {
  // All is told. Should anything still be open, it must not hold up the job.
  setTimeout(() => process.exit(), 5_000).unref();
});
