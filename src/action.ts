import { clusterOver } from './cluster/client.ts';
import { sleep } from './cluster/http.ts';
import { connectionFrom } from './cluster/kubeconfig.ts';
import { masksFor } from './cluster/secrets.ts';
import { rollback } from './commands/rollback.ts';
import type { Result } from './daemonset/outcome.ts';
import { currentRun } from './github.ts';
import { InputError, type Request, readInputs } from './inputs.ts';
import type { Report } from './report/report.ts';
import type { Writer } from './report/write.ts';
import { failureOf } from './rollback/failure.ts';
import { type Clock, Interruption } from './rollback/world.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const clock: Clock = { now: () => Date.now(), sleep };

/** The whole step: read inputs, connect, run the command, report. Whatever happens, it is reported. */
export async function run(environment: Environment, cancel: AbortSignal, writer: Writer): Promise<void> {
  const started = clock.now();
  const report: Report = { result: nothingYet(), cluster: undefined, showValues: false, duration: 0, warnings: writer.warnings };
  try {
    const request = readInputs(environment);
    report.showValues = request.showValues;
    report.result.daemonSet = { namespace: request.daemonSet.namespace ?? '', name: request.daemonSet.name };
    report.result = await connectAndRun(request, environment, cancel, writer, report);
  } catch (error) {
    report.result = { ...report.result, ...(error instanceof InputError ? mistakes(error) : failureOf(error, false)) };
  }
  report.duration = clock.now() - started;
  await writer.write(report);
}

async function connectAndRun(
  request: Request,
  environment: Environment,
  cancel: AbortSignal,
  writer: Writer,
  report: Report,
): Promise<Result> {
  const connection = connectionFrom({ source: request.kubeconfig, context: request.context, plugins: request.execPlugins, environment });
  writer.mask(connection.secrets);
  connection.plugins.onSecret = (secrets) => writer.mask(masksFor(secrets));
  const { server, context } = connection;
  report.cluster = { server, context };
  const namespace = request.daemonSet.namespace ?? connection.namespace;
  report.result.daemonSet.namespace = namespace;
  writer.info(
    `Server ${server}, context ${context}, namespace ${namespace}, DaemonSet ${request.daemonSet.name}: roll back to ${nameOf(request)}`,
  );
  for (const warning of connection.warnings) writer.warning(warning);

  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(new Interruption('timeout')), request.timeout);
  const cluster = clusterOver(connection, { onWarning: (text) => writer.warning(`The API server warns: ${text}`) });
  try {
    return await rollback(request, { cluster, clock, log: writer, run: currentRun(), signal: AbortSignal.any([cancel, deadline.signal]) });
  } finally {
    clearTimeout(timer);
    cluster.close();
  }
}

function nameOf({ toRevision }: Request): string {
  switch (toRevision.kind) {
    case 'previous':
      return 'the previous revision';
    case 'number':
      return `revision ${toRevision.number}`;
    case 'name':
      return `ControllerRevision ${toRevision.name}`;
  }
}

function nothingYet(): Result {
  return { daemonSet: { namespace: '', name: '' }, outcome: 'error', reason: 'internal', message: '', changed: false, notes: [] };
}

function mistakes(error: InputError): Pick<Result, 'outcome' | 'reason' | 'message'> {
  return { outcome: 'error', reason: 'invalid-input', message: error.mistakes.join(' ') };
}
