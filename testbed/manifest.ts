/** A container of a pod spec. */
export interface Container {
  name: string;
  image: string;
  env: object[];
  args?: string[];
  resources?: object;
  volumeMounts?: object[];
  readinessProbe?: object;
  livenessProbe?: object;
}

/** A container, and the volumes that it needs. */
export interface Behavior {
  container: Container;
  volumes: object[];
}

export interface BehaviorOptions {
  /** Of the container. Default `agent`. */
  name?: string;
  /** For its probes. Default 8080. The containers of a pod share its ports, so each needs its own. */
  port?: number;
}

/**
 * A container that behaves in the way that the tag of its image selects. A simulated node needs only the tag and the probes. The other
 * fields make a real node show the same behavior.
 */
export function behaviorOf(tag: string, { name = 'agent', port = 8080 }: BehaviorOptions = {}): Behavior {
  const is = (behavior: string): boolean => tag.endsWith(behavior);
  const probe = (path: string): object => ({ httpGet: { path, port }, periodSeconds: 1 });
  const configMap = `${name}-config`;
  const container: Container = {
    name,
    image: `registry.example/${is('invalid-name') ? capitalized(name) : name}:${tag}`,
    env: port === 8080 ? [] : [{ name: 'PORT', value: String(port) }],
    readinessProbe: probe(is('unhealthy') ? '/healthz' : '/readyz'),
  };
  const volumes: object[] = [];
  const mount = (volume: string, mountPath: string, source: object): void => {
    container.volumeMounts = [{ name: volume, mountPath }];
    volumes.push({ name: volume, ...source });
  };
  if (is('unhealthy')) container.livenessProbe = { ...probe('/healthz'), failureThreshold: 1 };
  if (is('oom')) container.resources = { limits: { memory: '48Mi' } };
  if (is('config-error')) container.env.push({ name: 'CONFIG', valueFrom: { configMapKeyRef: { name: configMap, key: 'x' } } });
  if (is('unmounted')) mount('config', '/config', { configMap: { name: configMap } });
  if (is('flaky') || is('twice')) mount(`${name}-state`, '/state', { emptyDir: {} });
  return { container, volumes };
}

/** An init container, which has no probes. With the tags whose containers become ready, it completes. */
export function initBehaviorOf(tag: string, { name = 'setup' }: Pick<BehaviorOptions, 'name'> = {}): Behavior {
  const { container, volumes } = behaviorOf(tag, { name });
  delete container.readinessProbe;
  delete container.livenessProbe;
  if (tag.endsWith('slow')) container.args = ['sleep', '5'];
  else if (!tag.includes('-')) container.args = ['exit'];
  return { container, volumes };
}

/** The fields of a pod spec for these containers. */
export function podOf(behaviors: Behavior[], initBehaviors: Behavior[] = []): object {
  const volumes = [...behaviors, ...initBehaviors].flatMap((one) => one.volumes);
  return {
    containers: behaviors.map(({ container }) => container),
    ...(initBehaviors.length > 0 && { initContainers: initBehaviors.map(({ container }) => container) }),
    ...(volumes.length > 0 && { volumes }),
  };
}

const capitalized = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
