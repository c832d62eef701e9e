/** The part of a pod's container status that determines its log. */
export interface ContainerStatus {
  name: string;
  image: string;
  state: ContainerState;
  lastState: ContainerState;
}

interface ContainerState {
  waiting?: { reason: string };
  running?: { startedAt: string };
  terminated?: Run;
}

interface Run {
  startedAt: string;
  finishedAt?: string;
  reason?: string;
  containerID?: string;
}

/**
 * The log of a container, as the kubelet answers `GET /containerLogs/…`. For a container that waits for a restart, it is that of its last
 * run. The kubelet keeps one exited container: of one that has exited again, the log of the run before is gone.
 *
 * @param query parameters of the request: `previous`, `tailLines`, `limitBytes`, `timestamps`, `sinceSeconds`, `sinceTime`.
 * @throws if the container has not run.
 */
export function containerLog(pod: string, container: string, status: ContainerStatus | undefined, query: URLSearchParams): string {
  const of = `container "${container}" in pod "${pod}"`;
  if (status === undefined) throw new Error(`${of} is not available`);
  const { waiting, running, terminated } = status.state;
  const last = status.lastState.terminated;
  if (query.get('previous') === 'true') {
    if (last === undefined) throw new Error(`previous terminated ${of} not found`);
    if (terminated) return `unable to retrieve container logs for ${last.containerID}`;
  }
  const run = query.get('previous') === 'true' ? last : (running ?? terminated ?? last);
  if (run === undefined) throw new Error(`${of} is waiting to start: ${why(waiting?.reason)}`);

  const sinceSeconds = query.get('sinceSeconds');
  const since = sinceSeconds === null ? (query.get('sinceTime') ?? 0) : Date.now() - Number(sinceSeconds) * 1000;
  const lines = print(status, run)
    .filter(({ time }) => time >= new Date(since))
    .slice(-Number(query.get('tailLines') ?? Infinity))
    .map(({ time, text }) => (query.get('timestamps') === 'true' ? `${time.toISOString()} ${text}\n` : `${text}\n`));
  return lines.join('').slice(0, Number(query.get('limitBytes') ?? Infinity));
}

function why(reason = 'ContainerCreating'): string {
  if (reason === 'ErrImagePull') return "image can't be pulled";
  return reason === 'ImagePullBackOff' ? 'trying and failing to pull image' : reason;
}

const waits = ['level=warn msg="waiting for the log store" endpoint=logs.example:443', 'level=info msg="ready"'];
const gaveUp = [
  'level=error msg="cannot open the log directory" path=/var/log/pods error="permission denied"',
  'level=fatal msg="giving up" exit_code=1',
];
/** What a container prints after its first lines, if it differs from the rest: by the ending of its tag. */
const outputs: Record<string, string[]> = {
  crash: gaveUp,
  flaky: gaveUp,
  twice: gaveUp,
  panic: ['panic: assignment to entry in nil map', '', 'goroutine 1 [running]:', 'main.main()'],
  oom: ['level=info msg="reading backlog" bytes=1073741824'],
  hang: waits,
  silent: waits,
  unhealthy: waits,
  deaf: [],
};

/** The lines that the agent of a real node prints (modules/node/agent). */
function print({ image }: ContainerStatus, run: Run): { time: Date; text: string }[] {
  // The container did not run.
  if (run.reason === 'StartError') return [];
  const tag = Object.keys(outputs).find((ending) => new RegExp(`:[^/:]*${ending}$`).test(image));
  // flaky exits once, and twice exits twice.
  const isFine = tag === undefined || ((tag === 'flaky' || tag === 'twice') && run.reason !== 'Error');
  const [start, end] = [run.startedAt, run.finishedAt ?? run.startedAt].map((at) => new Date(at)) as [Date, Date];
  const first = [`level=info msg="starting" image=${image.replace(/^[^/]*\//, '')}`, 'level=info msg="configuration loaded"'];
  const isDone = run.reason === 'Completed';
  // An init container without a word completes at once.
  const next = isFine ? (isDone ? [] : ['level=info msg="ready"']) : (outputs[tag] ?? []);
  return [
    ...first.map((text) => ({ time: start, text })),
    ...[...next, ...(isDone ? ['level=info msg="done"'] : [])].map((text) => ({ time: end, text })),
  ];
}
