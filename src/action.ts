import { clusterOver } from './cluster/client.ts';
import { sleep } from './cluster/http.ts';
import { connectionFrom } from './cluster/kubeconfig.ts';
import { masksFor } from './cluster/secrets.ts';
import { history } from './commands/history.ts';
import { rollback } from './commands/rollback.ts';
import type { Result } from './daemonset/outcome.ts';
import { currentRun, documentation } from './github.ts';
import { InputError, type Request, readInputs } from './inputs.ts';
import type { Report } from './report/report.ts';
import type { Writer } from './report/write.ts';
import { failureOf } from './rollback/failure.ts';
import { type Clock, Interruption, type World } from './rollback/world.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const clock: Clock = { now: () => Date.now(), sleep };

/** The whole step: read inputs, connect, run the command, report. Whatever happens, it is reported. */
export async function run(environment: Environment, cancel: AbortSignal, writer: Writer): Promise<void> {
  const started = clock.now();
  const report: Report = {
    result: nothingYet(),
    cluster: undefined,
    showValues: false,
    duration: 0,
    warnings: writer.warnings,
    help: undefined,
  };
  try {
    const request = readInputs(environment);
    report.showValues = request.showValues;
    report.result.daemonSet = { namespace: request.daemonSet.namespace ?? '', name: request.daemonSet.name };
    report.result = await connectAndRun(request, environment, cancel, writer, report);
  } catch (error) {
    report.result = { ...report.result, ...(error instanceof InputError ? mistakes(error) : failureOf(error, false)) };
  }
  report.duration = clock.now() - started;
  report.help = documentation(environment, `docs/troubleshooting.md#${report.result.reason}`);
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
  const place = `Server ${server}, context ${context}, namespace ${namespace}, DaemonSet ${request.daemonSet.name}`;
  writer.info(`${place}: ${purposeOf(request)}`);
  for (const warning of connection.warnings) writer.warning(warning);

  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(new Interruption('timeout')), request.timeout);
  const cluster = clusterOver(connection, {
    onWarning: (text) => writer.warning(`The API server warns: ${text}`),
    onAnswer: (text) => writer.debug(text),
  });
  const world: World = { cluster, clock, log: writer, run: currentRun(), signal: AbortSignal.any([cancel, deadline.signal]) };
  try {
    return request.command === 'history' ? await history(request, world) : await rollback(request, world);
  } finally {
    clearTimeout(timer);
    cluster.close();
  }
}

/** From where to where, as far as it is known before the first request. */
function purposeOf(request: Request): string {
  if (request.command === 'history') return 'list its revisions';
  const from = `${request.dryRun ? 'dry run, ' : ''}from the current revision`;
  switch (request.toRevision.kind) {
    case 'previous':
      return `${from} to the previous one`;
    case 'number':
      return `${from} to revision ${request.toRevision.number}`;
    case 'name':
      return `${from} to ControllerRevision ${request.toRevision.name}`;
  }
}

function nothingYet(): Result {
  return { daemonSet: { namespace: '', name: '' }, outcome: 'error', reason: 'internal', message: '', changed: false, notes: [] };
}

function mistakes(error: InputError): Pick<Result, 'outcome' | 'reason' | 'message'> {
  return { outcome: 'error', reason: 'invalid-input', message: error.mistakes.join(' ') };
}
