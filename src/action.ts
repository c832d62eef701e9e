import { clusterOver } from './cluster/client.ts';
import { sleep } from './cluster/http.ts';
import { connectionFrom } from './cluster/kubeconfig.ts';
import { masksFor } from './cluster/secrets.ts';
import { history } from './commands/history.ts';
import { rollback } from './commands/rollback.ts';
import { status } from './commands/status.ts';
import { type Result, worstOf } from './daemonset/outcome.ts';
import { inWords, isRelative } from './daemonset/target.ts';
import type { AskedDaemonSets } from './daemonset/types.ts';
import { currentRun, documentation, isPrivateRepository } from './github.ts';
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
    command: 'rollback',
    results: [nothingYet()],
    cluster: undefined,
    showValues: false,
    duration: 0,
    warnings: writer.warnings,
    help: undefined,
  };
  try {
    const request = readInputs(environment, isPrivateRepository());
    report.command = request.command;
    report.showValues = request.showValues;
    const [first, ...others] = await connectAndRun(request, environment, cancel, writer, report);
    if (first) report.results = [first, ...others];
  } catch (error) {
    report.results = [{ ...report.results[0], ...(error instanceof InputError ? mistakes(error) : failureOf(error, false)) }];
  }
  report.duration = clock.now() - started;
  report.help = documentation(environment, `docs/troubleshooting.md#${worstOf(report.results).reason}`);
  await writer.write(report);
}

async function connectAndRun(
  request: Request,
  environment: Environment,
  cancel: AbortSignal,
  writer: Writer,
  report: Report,
): Promise<Result[]> {
  const connection = connectionFrom({ source: request.kubeconfig, context: request.context, plugins: request.execPlugins, environment });
  writer.mask(connection.secrets);
  connection.plugins.onSecret = (secrets) => writer.mask(masksFor(secrets));
  const { server, context } = connection;
  report.cluster = { server, context };
  report.results[0].daemonSet = nameOf(request.daemonSets, connection.namespace);
  writer.info(`Server ${server}, context ${context}, ${placeOf(request.daemonSets, connection.namespace)}: ${purposeOf(request)}`);
  for (const warning of connection.warnings) writer.warning(warning);

  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(new Interruption('timeout')), request.timeout);
  const cluster = clusterOver(connection, {
    onWarning: (text) => writer.warning(text),
    onAnswer: (text) => writer.debug(text),
  });
  const world: World = {
    cluster,
    clock,
    log: writer,
    run: currentRun(),
    signal: AbortSignal.any([cancel, deadline.signal]),
    deadline: clock.now() + request.timeout,
  };
  try {
    switch (request.command) {
      case 'rollback':
        return await rollback(request, world);
      case 'status':
        return await status(request, world);
      case 'history':
        return await history(request, world);
    }
  } finally {
    clearTimeout(timer);
    cluster.close();
  }
}

/** The DaemonSet that is meant, where it is one that was named. */
function nameOf(asked: AskedDaemonSets, namespace: string): Result['daemonSet'] {
  const [only, ...others] = asked.kind === 'named' ? asked.daemonSets : [];
  return only && others.length === 0 ? { namespace: only.namespace ?? namespace, name: only.name } : nothingYet().daemonSet;
}

/** Where the DaemonSets are that are meant, and which. */
function placeOf(asked: AskedDaemonSets, ofContext: string): string {
  if (asked.kind === 'selected') {
    const namespace = asked.namespace ?? ofContext;
    return `${namespace === '*' ? 'all namespaces' : `namespace ${namespace}`}, DaemonSets that match ${asked.selector}`;
  }
  const all = asked.daemonSets.map(({ namespace = ofContext, name }) => ({ namespace, name }));
  const namespaces = [...new Set(all.map(({ namespace }) => namespace))];
  const kind = all.length === 1 ? 'DaemonSet' : 'DaemonSets';
  return namespaces.length === 1
    ? `namespace ${namespaces[0]}, ${kind} ${all.map(({ name }) => name).join(', ')}`
    : `${kind} ${all.map(({ namespace, name }) => `${namespace}/${name}`).join(', ')}`;
}

/** From where to where, as far as it is known before the first request. */
function purposeOf(request: Request): string {
  if (request.command === 'history') return request.revision ? `show ${inWords(request.revision)}` : 'list the revisions';
  const { expectedRevision: expected } = request;
  if (request.command === 'status') return `wait for the rollout${expected ? ` of ${inWords(expected)}` : ''}`;
  const from = `${request.dryRun ? 'dry run, ' : ''}from ${expected ? inWords(expected) : 'the current revision'}`;
  const { toRevision: to } = request;
  return `${from} to ${!isRelative(to) ? inWords(to) : to.kind === 'previous' ? 'the previous one' : 'the last good one'}`;
}

function nothingYet(): Result {
  return { daemonSet: { namespace: '', name: '' }, outcome: 'error', reason: 'internal', message: '', changed: false, notes: [] };
}

function mistakes(error: InputError): Pick<Result, 'outcome' | 'reason' | 'message'> {
  return { outcome: 'error', reason: 'invalid-input', message: error.mistakes.join(' ') };
}
