import { execFile } from 'node:child_process';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { behaviorOf, podOf } from '../testbed/manifest.ts';
import type { Testbed } from '../testbed/testbed.ts';

const execute = promisify(execFile);

/** A response of the API server, from its audit log. */
export interface Answer {
  verb: string;
  requestURI: string;
  userAgent?: string;
  user: { username: string };
  objectRef?: { resource: string; namespace?: string; subresource?: string };
  stage: string;
  auditID: string;
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  responseStatus?: { code: number };
}

/** What the DaemonSets of a fleet have in common. */
export interface Shape {
  /** How many pods are replaced at the same time. Default `100%`. */
  maxUnavailable?: number | string;
  /** Whether the containers have the probes of their tag. Default true. */
  probes?: boolean;
}

/** DaemonSets of one namespace on a test bed. */
export class Fleet {
  readonly testbed: Testbed;
  readonly namespace: string;
  readonly #shape: Shape;

  private constructor(testbed: Testbed, namespace: string, shape: Shape) {
    this.testbed = testbed;
    this.namespace = namespace;
    this.#shape = shape;
  }

  static async create(testbed: Testbed, namespace: string, shape: Shape = {}): Promise<Fleet> {
    const fleet = new Fleet(testbed, namespace, shape);
    await fleet.kubectl('create', 'namespace', namespace);
    return fleet;
  }

  /** Runs kubectl, and returns what it prints. */
  async kubectl(...parameters: string[]): Promise<string> {
    const flags = ['--kubeconfig', this.testbed.kubeconfig, '--namespace', this.namespace];
    return (await execute(this.testbed.kubectl, [...flags, ...parameters], { maxBuffer: 2 ** 26 })).stdout;
  }

  /** Deploys a version of the DaemonSets. */
  async deploy(tag: string, names = ['agent']): Promise<void> {
    const child = execFile(this.testbed.kubectl, ['--kubeconfig', this.testbed.kubeconfig, 'apply', '--filename=-']);
    child.stdin?.end(names.map((name) => JSON.stringify(this.manifest(tag, name))).join('\n---\n'));
    const code = await new Promise((done) => child.once('close', done));
    if (code !== 0) throw new Error(`kubectl apply failed with exit code ${code}`);
  }

  /** Deploys a version, and waits until every node runs it. */
  async rollOut(tag: string, names = ['agent']): Promise<void> {
    await this.deploy(tag, names);
    for (const name of names) await this.kubectl('rollout', 'status', `daemonset/${name}`, '--timeout=30m');
  }

  /** A version of a DaemonSet. */
  manifest(tag: string, name = 'agent'): object {
    const { maxUnavailable = '100%', probes = true } = this.#shape;
    const behavior = behaviorOf(tag);
    behavior.container.env.push({ name: 'VERSION', value: tag });
    if (!probes) {
      delete behavior.container.readinessProbe;
      delete behavior.container.livenessProbe;
    }
    return {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name, namespace: this.namespace, annotations: { 'kubernetes.io/change-cause': `deploy ${tag}` } },
      spec: {
        selector: { matchLabels: { app: name } },
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable } },
        template: {
          metadata: { labels: { app: name } },
          spec: {
            terminationGracePeriodSeconds: 0,
            ...podOf([behavior]),
          },
        },
      },
    };
  }

  /** Removes the good mark from all versions. */
  async unmark(): Promise<void> {
    await this.kubectl('annotate', 'controllerrevisions', '--all', 'rollback-daemonset/good-');
  }

  /** The current end of the audit log. */
  mark(): number {
    return statSync(this.testbed.auditLog).size;
  }

  /** The responses of the API server since `mark`: one per request, also for watches. */
  answersSince(mark: number): Answer[] {
    const file = openSync(this.testbed.auditLog, 'r');
    try {
      const log = Buffer.alloc(statSync(this.testbed.auditLog).size - mark);
      readSync(file, log, 0, log.length, mark);
      const lines = log.toString('utf8').split('\n').slice(0, -1);
      const answers = lines.map((line) => JSON.parse(line) as Answer).filter(({ stage }) => stage !== 'RequestReceived');
      return [...new Map(answers.toReversed().map((answer) => [answer.auditID, answer])).values()].toReversed();
    } finally {
      closeSync(file);
    }
  }

  /** When a DaemonSet was written since `mark`, except its status. In milliseconds since the epoch. */
  writesSince(mark: number): number[] {
    const isWrite = ({ verb, objectRef, requestURI, responseStatus }: Answer): boolean =>
      ['create', 'update', 'patch'].includes(verb) &&
      objectRef?.resource === 'daemonsets' &&
      objectRef.namespace === this.namespace &&
      objectRef.subresource === undefined &&
      !requestURI.includes('dryRun=All') &&
      (responseStatus?.code ?? 0) < 300;
    return this.answersSince(mark)
      .filter(isWrite)
      .map(({ stageTimestamp }) => Date.parse(stageTimestamp));
  }

  /** The requests of a program since `mark`. Waits until there are no new ones. */
  async requestsSince(mark: number, program: 'rollback-daemonset' | 'kubectl'): Promise<Answer[]> {
    const ours = (): Answer[] => this.answersSince(mark).filter(({ userAgent }) => userAgent?.startsWith(program));
    for (let before = -1, now = ours(); ; now = ours()) {
      if (now.length === before) return now;
      before = now.length;
      // The log contains a watch only after the client has closed it, with a short delay.
      await new Promise((next) => setTimeout(next, 300));
    }
  }
}

/** `get daemonsets`, `patch daemonsets dryRun`, `get /api`, … */
export function inWords({ verb, objectRef, requestURI }: Answer): string {
  if (!objectRef) return `${verb} ${requestURI.replace(/\?.*/, '')}`;
  return `${verb} ${objectRef.resource}${requestURI.includes('dryRun=All') ? ' dryRun' : ''}`;
}
