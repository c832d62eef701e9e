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
  terminated?: { reason: string; startedAt: string; finishedAt: string };
}

/**
 * The log of a container, as the kubelet answers `GET /containerLogs/…`.
 *
 * For a container that waits for a restart it is the log of its last run, as with the kubelet.
 *
 * @param query parameters of the request: `previous`, `tailLines`, `limitBytes`, `timestamps`, `sinceSeconds`, `sinceTime`.
 * @throws if the container has not run.
 */
export function containerLog(status: ContainerStatus | undefined, query: URLSearchParams): string {
  if (status === undefined) throw new Error('there is no such container in this pod');
  const previous = query.get('previous') === 'true';
  const run = chooseRun(status, previous);
  if (run === undefined) {
    throw new Error(
      previous
        ? `previous terminated container "${status.name}" not found`
        : `container "${status.name}" is waiting to start: ${status.state.waiting?.reason}`,
    );
  }
  const sinceSeconds = query.get('sinceSeconds');
  const since = sinceSeconds === null ? (query.get('sinceTime') ?? 0) : Date.now() - Number(sinceSeconds) * 1000;
  const lines = print(status, run)
    .filter(({ time }) => time >= new Date(since))
    .slice(-Number(query.get('tailLines') ?? Infinity))
    .map(({ time, text }) => (query.get('timestamps') === 'true' ? `${time.toISOString()} ${text}\n` : `${text}\n`));
  return lines.join('').slice(0, Number(query.get('limitBytes') ?? Infinity));
}

interface Run {
  startedAt: string;
  finishedAt?: string;
  reason?: string;
}

function chooseRun({ state, lastState }: ContainerStatus, previous: boolean): Run | undefined {
  return previous ? lastState.terminated : (state.running ?? state.terminated ?? lastState.terminated);
}

function print({ name, image }: ContainerStatus, run: Run): { time: Date; text: string }[] {
  // The container did not run.
  if (run.reason === 'StartError') return [];
  const start = new Date(run.startedAt);
  const end = new Date(run.finishedAt ?? run.startedAt);
  const lines = [
    { time: start, text: `level=info msg="starting" container=${name} image=${image}` },
    { time: start, text: `level=info msg="configuration loaded" path=/etc/${name}/config.yaml` },
  ];
  if (/:[^/:]*(hang|slow|unhealthy)$/.test(image) && run.reason !== 'Completed') {
    lines.push({ time: end, text: 'level=warn msg="waiting for the log store" endpoint=logs.example:443' });
  } else if (run.reason === 'Error') {
    lines.push(
      { time: end, text: 'level=error msg="cannot open the log directory" path=/var/log/pods error="permission denied"' },
      { time: end, text: 'level=fatal msg="giving up" exit_code=1' },
    );
  } else if (run.reason === 'OOMKilled') {
    lines.push({ time: end, text: 'level=info msg="reading backlog" bytes=1073741824' });
  } else if (run.reason === 'Completed') {
    lines.push({ time: end, text: 'level=info msg="done"' });
  } else {
    lines.push({ time: end, text: 'level=info msg="ready"' });
  }
  return lines;
}
