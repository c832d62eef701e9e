import { readFileSync } from 'node:fs';
import { dump, load } from 'js-yaml';
import { answersSince, auditMark, inWords } from '../../testbed/audit-log.ts';
import { type RunningStep, type Step, startStep } from '../../testbed/step.ts';
import type { Testbed } from '../../testbed/testbed.ts';
import { type Any, eventually, execute, sharedTestbed } from './basics.ts';
import { daemonSetOf, type ManifestOptions } from './manifest.ts';

let sequence = 0;

export interface FleetOptions {
  testbed?: Testbed;
  /** By default a new one. */
  namespace?: string;
  name?: string;
  /** For all manifests. */
  defaults?: ManifestOptions;
  /** For `rollOut`, as kubectl reads it. */
  rolloutTimeout?: string;
}

/** A namespace in a test bed, with a DaemonSet in it. */
export class Fleet {
  readonly testbed: Testbed;
  readonly namespace: string;
  readonly name: string;
  readonly #options: Pick<FleetOptions, 'defaults' | 'rolloutTimeout'>;
  /** The end of the audit log when this fleet was created. */
  readonly #since: number;
  readonly #cleaning: (() => Promise<void>)[] = [];

  private constructor(testbed: Testbed, namespace: string, name: string, options: FleetOptions) {
    this.testbed = testbed;
    this.namespace = namespace;
    this.name = name;
    this.#options = options;
    this.#since = auditMark(testbed);
  }

  /** Another DaemonSet in the same namespace. It is removed with this one. */
  beside(name: string): Fleet {
    return new Fleet(this.testbed, this.namespace, name, this.#options);
  }

  static async create({ testbed = sharedTestbed(), namespace, name = 'agent', ...options }: FleetOptions = {}): Promise<Fleet> {
    sequence += 1;
    const fleet = new Fleet(testbed, namespace ?? `t-${process.pid}-${Date.now().toString(36)}-${sequence}`, name, options);
    // A namespace with the same name may still be terminating.
    if (namespace) await fleet.kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=60s']);
    await fleet.kubectl(['create', 'namespace', fleet.namespace]);
    return fleet;
  }

  /** Registers further cleanup for `remove`. */
  onRemove(clean: () => Promise<void>): void {
    this.#cleaning.push(clean);
  }

  /** Runs the registered cleanup. */
  async cleanUp(): Promise<void> {
    for (const clean of this.#cleaning.splice(0)) await clean();
  }

  /** Deletes the namespace, and does not wait for its pods. */
  async remove(): Promise<void> {
    await this.cleanUp();
    await execute(this.testbed.kubectl, ['--kubeconfig', this.testbed.kubeconfig, 'delete', 'namespace', this.namespace, '--wait=false']);
  }

  /** Runs the real kubectl in this namespace. Throws its output if it fails. */
  async kubectl(parameters: string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await execute(
      this.testbed.kubectl,
      ['--kubeconfig', this.testbed.kubeconfig, '--namespace', this.namespace, ...parameters],
      input,
    );
    if (code !== 0) throw new Error(`kubectl ${parameters.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  async json(...parameters: string[]): Promise<Any> {
    return JSON.parse(await this.kubectl([...parameters, '-o', 'json'])) as Any;
  }

  manifest(tag: string, options: ManifestOptions = {}): string {
    return JSON.stringify(daemonSetOf(this, tag, { ...this.#options.defaults, ...options }));
  }

  async deploy(tag: string, options: ManifestOptions & { serverSide?: string } = {}): Promise<void> {
    const how = options.serverSide ? ['--server-side', '--field-manager', options.serverSide] : [];
    await this.kubectl(['apply', ...how, '-f', '-'], this.manifest(tag, options));
  }

  /** Deploys a version, and waits until every node runs it. */
  async rollOut(tag: string, options: ManifestOptions & { serverSide?: string } = {}): Promise<void> {
    await this.deploy(tag, options);
    const { rolloutTimeout = '120s' } = this.#options;
    await this.kubectl(['rollout', 'status', `daemonset/${this.name}`, `--timeout=${rolloutTimeout}`]);
  }

  /** Waits until the controller has seen the latest change, and recorded its version. */
  async observed(): Promise<void> {
    await eventually(
      'the controller to see the change',
      () => this.daemonSet(),
      ({ metadata, status }) => status.observedGeneration === metadata.generation,
    );
  }

  /** Deploys a version that gets stuck, and waits until some nodes have it. */
  async getStuck(tag: string, options: ManifestOptions & { serverSide?: string } = {}): Promise<void> {
    const { generation } = (await this.daemonSet()).metadata;
    await this.deploy(tag, options);
    await eventually(
      'a rollout that is stuck',
      () => this.daemonSet(),
      ({ metadata, status }) =>
        metadata.generation > generation &&
        status.observedGeneration === metadata.generation &&
        status.updatedNumberScheduled > 0 &&
        status.numberUnavailable > 0,
    );
  }

  /** A kubeconfig for an account with only these rules, in this namespace. */
  kubeconfigOf(rules: [apiGroup: string, resource: string, verbs: string[]][]): Promise<string> {
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      rules: rules.map(([group, resource, verbs]) => ({ apiGroups: [group], resources: [resource], verbs })),
    };
    return this.kubeconfigWith([role]);
  }

  /** A kubeconfig for an account with only these Roles, in this namespace, and ClusterRoles. They are created with other names. */
  async kubeconfigWith(roles: Any[]): Promise<string> {
    sequence += 1;
    const account = `account-${sequence}`;
    const user = `${this.namespace}-${account}`;
    for (const [index, role] of roles.entries()) {
      const kind = (role.kind as string).toLowerCase();
      const name = `${kind === 'role' ? account : user}-${index}`;
      await this.kubectl(['create', '-f', '-'], JSON.stringify({ ...role, metadata: { name } }));
      await this.kubectl(['create', `${kind}binding`, name, `--${kind}=${name}`, `--user=${user}`]);
      if (kind === 'clusterrole') this.onRemove(async () => void (await this.kubectl(['delete', 'clusterrole,clusterrolebinding', name])));
    }
    const { certificate, key } = await this.testbed.issueClientCertificate(user);
    const config = load(readFileSync(this.testbed.kubeconfig, 'utf8')) as Any;
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    config.users[0].user = { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) };
    return dump(config);
  }

  daemonSet(): Promise<Any> {
    return this.json('get', `daemonset/${this.name}`, '--show-managed-fields');
  }

  async image(): Promise<string> {
    return ((await this.daemonSet()).spec.template.spec.containers[0].image as string).replace(/.*:/, '');
  }

  /** The ControllerRevision with a number. */
  async revision(number: number): Promise<Any> {
    const { items } = await this.json('get', 'controllerrevisions');
    const found = items.find(({ revision }: Any) => revision === number);
    if (!found) throw new Error(`there is no revision ${number}`);
    return found;
  }

  /** Creates a ControllerRevision like another one, after `change`. By default it is a copy with the same owner. */
  async storeRevision(name: string, like: Any, change: (copy: Any) => void = () => {}): Promise<void> {
    const { ownerReferences, labels } = like.metadata;
    const copy = structuredClone({
      ...like,
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: { name, ownerReferences, labels: { ...labels, 'controller-revision-hash': name } },
    });
    change(copy);
    await this.kubectl(['create', '-f', '-'], JSON.stringify(copy));
  }

  /** Makes the controller count the pods of v1 as those of revision 2, which is current: it removes a duplicate and relabels all pods. */
  async relabelPods(): Promise<void> {
    await this.storeRevision('agent-twin', await this.revision(2), (copy) => {
      copy.revision = 3;
    });
    // The controller acts when something in the DaemonSet changes.
    await this.kubectl(['label', `daemonset/${this.name}`, 'look=again']);
    await eventually(
      'the counters to be wrong',
      () => this.daemonSet(),
      ({ status }) => status.updatedNumberScheduled === 10,
    );
  }

  /** Waits for the default service account, which pods need and the controller creates a moment after the namespace. */
  async serviceAccount(): Promise<void> {
    await eventually(
      'the default service account',
      () => this.json('get', 'serviceaccounts'),
      ({ items }) => items.length > 0,
    );
  }

  /** Revision number → tag, as stored in the cluster. */
  async history(): Promise<Record<number, string>> {
    const { items } = await this.json('get', 'controllerrevisions');
    return Object.fromEntries(
      items.map(({ revision, data }: Any) => [revision, data.spec.template.spec.containers[0].image.replace(/.*:/, '')]),
    );
  }

  /** @param onLine receives each line of the log when it is printed. */
  start(
    inputs: Record<string, string> = {},
    environment: Record<string, string> = {},
    onLine: (line: string) => void = () => {},
  ): RunningStep {
    return startStep(
      { kubeconfig: this.testbed.kubeconfig, daemonset: `${this.namespace}/${this.name}`, timeout: '100s', 'stable-for': '1s', ...inputs },
      environment,
      onLine,
    );
  }

  rollback(inputs: Record<string, string> = {}, environment: Record<string, string> = {}): Promise<Step> {
    return this.start(inputs, environment).done;
  }

  /** Starts the post step with the state that the main step left. */
  post(left: Step['state'], inputs: Record<string, string> = {}, environment: Record<string, string> = {}): RunningStep {
    const { kubeconfig } = this.testbed;
    const all = {
      kubeconfig,
      daemonset: `${this.namespace}/${this.name}`,
      timeout: '100s',
      'stable-for': '1s',
      command: 'guard',
      'job-status': 'failure',
      ...inputs,
    };
    return startStep(all, environment, () => {}, left);
  }

  /** The action's requests in this namespace and those of `others`, from the audit log: `get daemonsets`, `patch daemonsets dryRun`, … */
  requests(...others: Fleet[]): string[] {
    const namespaces = [this, ...others].map(({ namespace }) => `"namespace":"${namespace}"`);
    const isOurs = (line: string): boolean =>
      line.includes('"userAgent":"rollback-daemonset"') && namespaces.some((namespace) => line.includes(namespace));
    return answersSince(this.testbed, this.#since, isOurs).map(inWords);
  }

  /** The same, once there are so many: the audit log is a moment late. */
  requestsOnce(count: number): Promise<string[]> {
    return eventually(
      'the audit log',
      () => this.requests(),
      (all) => all.length >= count,
    );
  }

  /** How often the action set or withdrew a good mark. */
  marks(): number {
    return this.requests().filter((request) => request === 'patch controllerrevisions').length;
  }

  /** How often the action changed the DaemonSet. */
  writes(): number {
    return this.requests().filter((request) => request === 'patch daemonsets').length;
  }
}

/** A fleet for one test. Tests mostly wait, each in its own namespace, so several can run at the same time. */
export async function withFleet(work: (fleet: Fleet) => Promise<void>, testbed?: Testbed): Promise<void> {
  const fleet = await Fleet.create(testbed && { testbed });
  try {
    await work(fleet);
  } finally {
    await fleet.remove();
  }
}
