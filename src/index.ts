import { run } from './action.ts';
import { Writer } from './report/write.ts';
import { Interruption } from './rollback/world.ts';

const cancel = new AbortController();
// A cancelled job gets SIGINT, and 7.5 s later SIGTERM.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => cancel.abort(new Interruption('cancelled')));

await run(process.env, cancel.signal, new Writer(process.env));
// All is told. Should anything still be open, it must not hold up the job.
setTimeout(() => process.exit(), 5_000).unref();
