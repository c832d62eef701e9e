/**
 * After a rollback, the next deploy makes the object what the same deploy makes in an empty namespace. v1 has parts that v2 and v3 do not have.
 * v2 is rolled back to v1, and then v3 is deployed. docs/kubectl.md has the table; `UPDATE_DOCS=1 npm run test:e2e -- deployers` writes it.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeChart } from '../../bench/verdict.ts';
import { markdownTable } from '../../scripts/markdown-table.ts';
import { buildTools } from '../../testbed/build.ts';
import { behaviorOf, initBehaviorOf, podOf } from '../../testbed/manifest.ts';
import { Job } from '../helpers/job.ts';
import { type Any, expectStep, Fleet, printLine } from '../helpers/support.ts';

const DOCS = 'docs/kubectl.md';
const TABLE = /(?<=<!-- made by __tests__\/e2e\/deployers\.test\.ts -->\n\n).*(?=\n\n<!-- end -->)/s;
const CHANGE_CAUSE = 'kubernetes.io/change-cause';

/** Something that only the older version has. */
interface Part {
  name: string;
  /** Adds it to a manifest. */
  add(daemonSet: Any): void;
  isIn(daemonSet: Any): boolean;
  /** How a warning names it. */
  names: RegExp[];
}

const podOfDaemonSet = ({ spec }: Any): Any => spec.template.spec;
const agentOf = (daemonSet: Any): Any => podOfDaemonSet(daemonSet).containers.find(({ name }: Any) => name === 'agent');
const isNamed = (list: Any[] | undefined, name: string): boolean => (list ?? []).some((one) => one.name === name);

function variable(name: string, source: object): Omit<Part, 'name'> {
  return {
    add: (daemonSet) => agentOf(daemonSet).env.push({ name, ...source }),
    isIn: (daemonSet) => isNamed(agentOf(daemonSet).env, name),
    names: [new RegExp(`^variable ${name} of container agent$`)],
  };
}

function fieldOfPod(field: string, value: unknown): Omit<Part, 'name'> {
  return {
    add: (daemonSet) => {
      podOfDaemonSet(daemonSet)[field] = value;
    },
    isIn: (daemonSet) => podOfDaemonSet(daemonSet)[field] !== undefined,
    names: [new RegExp(`^${field}$`)],
  };
}

function fieldOfAgent(field: string, value: unknown, name: string): Omit<Part, 'name'> {
  return {
    add: (daemonSet) => {
      agentOf(daemonSet)[field] = value;
    },
    isIn: (daemonSet) => Object.keys(agentOf(daemonSet)[field] ?? {}).length > 0,
    names: [new RegExp(`^${name} of container agent$`)],
  };
}

function metadataOfPod(kind: 'label' | 'annotation', key: string): Omit<Part, 'name'> {
  return {
    add: ({ spec: { template } }) => {
      template.metadata[`${kind}s`] = { ...template.metadata[`${kind}s`], [key]: 'old' };
    },
    isIn: ({ spec: { template } }) => template.metadata[`${kind}s`]?.[key] !== undefined,
    names: [new RegExp(`^${kind} ${key}$`)],
  };
}

const PARTS: Part[] = [
  { name: 'a variable', ...variable('LEGACY', { value: 'yes' }) },
  { name: 'a variable with `valueFrom`', ...variable('NODE', { valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }) },
  {
    name: 'a container',
    add: (daemonSet) => podOfDaemonSet(daemonSet).containers.push(behaviorOf('v1', { name: 'sidecar', port: 8081 }).container),
    isIn: (daemonSet) => isNamed(podOfDaemonSet(daemonSet).containers, 'sidecar'),
    names: [/^container sidecar$/],
  },
  {
    name: 'an init container',
    add: (daemonSet) => Object.assign(podOfDaemonSet(daemonSet), { initContainers: [initBehaviorOf('v1', { name: 'prepare' }).container] }),
    isIn: (daemonSet) => isNamed(podOfDaemonSet(daemonSet).initContainers, 'prepare'),
    names: [/^init container prepare$/],
  },
  {
    name: 'a volume and its mount',
    add: (daemonSet) => {
      podOfDaemonSet(daemonSet).volumes = [{ name: 'cache', emptyDir: {} }];
      agentOf(daemonSet).volumeMounts = [{ name: 'cache', mountPath: '/cache' }];
    },
    isIn: (daemonSet) => isNamed(podOfDaemonSet(daemonSet).volumes, 'cache') || isNamed(agentOf(daemonSet).volumeMounts, 'cache'),
    names: [/^volume cache$/, /^volume mount \/cache of container agent$/],
  },
  { name: 'a label of the pods', ...metadataOfPod('label', 'tier') },
  { name: 'an annotation of the pods', ...metadataOfPod('annotation', 'example.com/note') },
  { name: '`hostNetwork`', ...fieldOfPod('hostNetwork', true) },
  { name: 'a capability', ...fieldOfAgent('securityContext', { capabilities: { add: ['NET_ADMIN'] } }, 'securityContext\\.capabilities') },
  { name: 'a liveness probe', ...fieldOfAgent('livenessProbe', { httpGet: { path: '/healthz', port: 8080 } }, 'livenessProbe') },
  { name: 'a toleration', ...fieldOfPod('tolerations', [{ key: 'example.com/old', operator: 'Exists' }]) },
  { name: 'a `nodeSelector`', ...fieldOfPod('nodeSelector', { 'kubernetes.io/os': 'linux' }) },
  {
    name: 'the change-cause',
    add: ({ metadata }) => Object.assign(metadata.annotations, { [CHANGE_CAUSE]: 'deploy v1' }),
    isIn: ({ metadata }) => metadata.annotations?.[CHANGE_CAUSE] !== undefined,
    names: [/^annotation kubernetes\.io\/change-cause of the DaemonSet$/],
  },
];

const partsIn = (daemonSet: Any): string[] => PARTS.filter(({ isIn }) => isIn(daemonSet)).map(({ name }) => name);
const isOfTemplate = (name: string): boolean => name !== 'the change-cause';

/** A version for three nodes. All versions but v1 are without the parts, and have a variable that v1 does not have. */
function manifestOf(fleet: Fleet, tag: string): Any {
  const agent = behaviorOf(tag);
  agent.container.env.push({ name: 'VERSION', value: tag });
  const inThree = { key: 'kubernetes.io/hostname', operator: 'In', values: ['node-1', 'node-2', 'node-3'] };
  const affinity = {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [inThree] }] } },
  };
  const daemonSet = JSON.parse(fleet.manifest(tag, { cause: '', maxUnavailable: '100%', podSpec: { ...podOf([agent]), affinity } }));
  if (tag === 'v1') for (const { add } of PARTS) add(daemonSet);
  else agentOf(daemonSet).env.push({ name: 'ADDED', value: 'yes' });
  return daemonSet;
}

let folder: string;
let helms: Record<'helm' | 'helm3', string>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-deployers-'));
  helms = await buildTools(['helm', 'helm3'], printLine);
}, 1_200_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A tool that deploys, with the options that it has by default in a pipeline. */
interface Deployer {
  name: string;
  deploy(fleet: Fleet, manifest: Any, ...flags: string[]): Promise<void>;
}

function apply(name: string, ...flags: string[]): Deployer {
  return {
    name,
    deploy: async (fleet, manifest) => void (await fleet.kubectl(['apply', ...flags, '-f', '-'], JSON.stringify(manifest))),
  };
}

function helm(name: string, tool: keyof typeof helms): Deployer {
  return {
    name,
    deploy: async ({ testbed: { kubeconfig }, namespace }, manifest, ...more) => {
      const chart = writeChart(join(folder, namespace), manifest);
      const flags = ['--kubeconfig', kubeconfig, '--namespace', namespace, ...more];
      // Nothing is read from, or written to, the home folder.
      const own = ['CACHE', 'CONFIG', 'DATA'].map((kind) => [`HELM_${kind}_HOME`, join(folder, kind)]);
      const env = { ...process.env, ...Object.fromEntries(own) };
      await promisify(execFile)(helms[tool], ['upgrade', '--install', 'agent', chart, ...flags], { env });
    },
  };
}

/** It removes what its own record of the last release has and the next one does not. Only Helm writes that record. */
const HELM_3 = 'Helm 3';

const DEPLOYERS: Deployer[] = [
  apply('`kubectl apply`'),
  apply('`kubectl apply --server-side`', '--server-side'),
  helm(HELM_3, 'helm3'),
  helm('Helm 4', 'helm'),
  apply('Argo CD', '--field-manager=argocd-controller'),
  apply('Argo CD, `ServerSideApply=true`', '--server-side', '--field-manager=argocd-controller', '--force-conflicts'),
  apply('Flux', '--server-side', '--field-manager=kustomize-controller', '--force-conflicts'),
];

/** Deploys a version. */
type Deploy = (tag: string, wait?: 'wait') => Promise<void>;

/** Each deploys v2, and goes back to v1. The result is the log. */
const WAYS_BACK = {
  rollback: async (job: Job, deploy: Deploy): Promise<string> => {
    await deploy('v2', 'wait');
    const step = await job.step({});
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
    return step.log;
  },
  gate: async (job: Job, deploy: Deploy): Promise<string> => {
    await deploy('v2-missing');
    const step = await job.step({ command: 'status', 'rollback-on-failure': 'true', 'failure-grace': '2s' });
    expectStep(step, { code: 1, outputs: { outcome: 'failed', changed: 'true' } });
    return step.log;
  },
  guard: async (job: Job, deploy: Deploy): Promise<string> => {
    const guard = await job.guard();
    await deploy('v2', 'wait');
    const step = await job.post(guard, { 'job-status': 'failure', 'deploy-outcome': 'success' });
    expectStep(step, { code: 0, log: expect.stringMatching(/rolled-back \(complete\)/) });
    return step.log;
  },
  kubectl: async ({ fleet }: Job, deploy: Deploy): Promise<string> => {
    await deploy('v2', 'wait');
    return fleet.kubectl(['rollout', 'undo', 'daemonset/agent']);
  },
};
type WayBack = keyof typeof WAYS_BACK;
const OURS = ['rollback', 'gate', 'guard'] as const;

/** What a deploy can set: without what deployers and this action record, and counters. */
function deployed({ spec, metadata: { annotations = {}, labels = {} } }: Any): Any {
  const isObject = (key: string): boolean =>
    /^(rollback-daemonset|meta\.helm\.sh)\/|^kubectl\.kubernetes\.io\/last-applied-configuration$|^deprecated\.daemonset\.template\.generation$/.test(
      key,
    );
  return { spec, labels, annotations: Object.fromEntries(Object.entries(annotations).filter(([key]) => !isObject(key))) };
}

/** What there is after the deploy of v3. */
interface After {
  /** The log of the way back. */
  log: string;
  /** What the server said if the deploy conflicted. */
  conflict: string;
  /** The parts that only v1 has. */
  left: string[];
  object: Any;
}

async function deployAfter(deployer: Deployer, way: WayBack): Promise<After> {
  const job = await Job.create();
  const { fleet } = job;
  try {
    const deploy: Deploy = async (tag, wait) => {
      await deployer.deploy(fleet, manifestOf(fleet, tag));
      if (wait) await fleet.kubectl(['rollout', 'status', 'daemonset/agent', '--timeout=120s']);
    };
    await deploy('v1', 'wait');
    const log = await WAYS_BACK[way](job, deploy);
    // kubectl does not restore the change-cause.
    const restored = PARTS.map(({ name }) => name).filter((name) => way !== 'kubectl' || isOfTemplate(name));
    expect(partsIn(await fleet.daemonSet())).toEqual(restored);
    let conflict = '';
    await deploy('v3').catch((error: Error) => {
      if (!/Apply failed with \d+ conflicts?/.test(error.message)) throw error;
      conflict = error.message;
    });
    const object = await fleet.daemonSet();
    return { log, conflict, left: partsIn(object), object: deployed(object) };
  } finally {
    await job.remove();
  }
}

/** What the deployer makes of v3 in an empty namespace. */
async function deployFresh(deployer: Deployer): Promise<Any> {
  const fleet = await Fleet.create();
  try {
    await deployer.deploy(fleet, manifestOf(fleet, 'v3'));
    return deployed(await fleet.daemonSet());
  } finally {
    await fleet.remove();
  }
}

type Results = Record<WayBack, PromiseSettledResult<After>> & { fresh: PromiseSettledResult<Any> };
const results = new Map<Deployer, Promise<Results>>();

/** Runs all ways back of a deployer at the same time, once. */
function resultsOf(deployer: Deployer): Promise<Results> {
  const run = async (): Promise<Results> => {
    const ways = Object.keys(WAYS_BACK) as WayBack[];
    const [fresh, ...settled] = await Promise.allSettled([deployFresh(deployer), ...ways.map((way) => deployAfter(deployer, way))]);
    return { fresh, ...Object.fromEntries(ways.map((way, index) => [way, settled[index]])) } as Results;
  };
  const found = results.get(deployer) ?? run();
  results.set(deployer, found);
  return found;
}

/** The value, or throws the reason why there is none. */
function known<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

/** Fails if the deploy of v3 conflicted. */
async function nextDeploy(deployer: Deployer, way: WayBack): Promise<After> {
  const found = known((await resultsOf(deployer))[way]);
  if (found.conflict !== '') throw new Error(found.conflict);
  return found;
}

/** The items of the list in the warning of what Helm 3 will leave. */
function warnedOf(log: string): string[] {
  const lines = [...log.matchAll(/^::warning[^:]*::.*the next helm upgrade will leave:? (.*?)(?:\.(?: .*)?)?$/gm)];
  expect(lines.length).toBeLessThanOrEqual(1);
  return lines.flatMap(([, list = '']) => list.split(/,? and |, /));
}

describe.each(DEPLOYERS.filter(({ name }) => name !== HELM_3))('$name', (deployer) => {
  describe.each(OURS)('after %s', (way) => {
    test.each(PARTS)('the next deploy removes $name', async ({ name }) => {
      const { left } = await nextDeploy(deployer, way);
      expect(left).not.toContain(name);
    });

    test('the next deploy makes what it makes in an empty namespace', async () => {
      const { left, log, object } = await nextDeploy(deployer, way);
      const { fresh } = await resultsOf(deployer);
      expect({ left, warned: warnedOf(log), ...object }).toEqual({ left: [], warned: [], ...known(fresh) });
    });
  });
});

describe.each(DEPLOYERS.filter(({ name }) => name === HELM_3))('$name', (deployer) => {
  describe.each(OURS)('after %s', (way) => {
    test.each(PARTS)('the next deploy removes $name, or a warning has named it', async ({ name, names }) => {
      const { left, log } = await nextDeploy(deployer, way);
      const warned = warnedOf(log);
      const stays = left.includes(name);
      expect({ warned, named: names.map((one) => warned.some((item) => one.test(item))) }).toEqual({
        warned,
        named: names.map(() => stays),
      });
    });

    test('the warning names nothing else', async () => {
      const { log } = await nextDeploy(deployer, way);
      expect(warnedOf(log).filter((item) => !PARTS.some(({ names }) => names.some((one) => one.test(item))))).toEqual([]);
    });
  });
});

test('Helm 3 leaves nothing after an upgrade that it recorded as failed, as the warning says', async () => {
  const fleet = await Fleet.create();
  try {
    const { deploy } = DEPLOYERS.find(({ name }) => name === HELM_3) as Deployer;
    await deploy(fleet, manifestOf(fleet, 'v1'), '--wait');
    // Where all pods may be unavailable, helm waits for none.
    const broken = manifestOf(fleet, 'v2-missing');
    broken.spec.updateStrategy.rollingUpdate = { maxUnavailable: 1 };
    await expect(deploy(fleet, broken, '--wait', '--timeout=5s')).rejects.toThrow('UPGRADE FAILED');
    const { log } = await fleet.rollback();
    expect(log).toContain('Unless helm history lists the upgrade that was left as failed, the next helm upgrade will leave');
    await deploy(fleet, manifestOf(fleet, 'v3'));
    expect(partsIn(await fleet.daemonSet())).toEqual([]);
  } finally {
    await fleet.remove();
  }
});

describe('docs/kubectl.md', () => {
  test('has the table of what the next deploy removes, and all ways back of the action agree', async () => {
    const table = await tableOf();
    const text = readFileSync(DOCS, 'utf8');
    if (process.env['UPDATE_DOCS'])
      writeFileSync(
        DOCS,
        text.replace(TABLE, () => table),
      );
    else expect(TABLE.exec(text)?.[0]).toBe(table);
  });
});

/** A column for each deployer. A cell is about the action, and about kubectl. */
async function tableOf(): Promise<string> {
  const columns = [['what only the restored version has', ...PARTS.map(({ name }) => name), '**the object as a whole**']];
  for (const deployer of DEPLOYERS) {
    const { fresh, ...ways } = await resultsOf(deployer);
    const cellsOf = (way: WayBack): string[] => {
      const { conflict, left, object } = known(ways[way]);
      const whole = isDeepStrictEqual(object, known(fresh)) ? 'exact' : 'differs';
      const cells = [...PARTS.map(({ name }) => (left.includes(name) ? 'stays' : 'removed')), whole];
      return conflict === '' ? cells : cells.map(() => 'conflict');
    };
    const [ours = [], ...others] = OURS.map(cellsOf);
    expect({ deployer: deployer.name, others }).toEqual({ deployer: deployer.name, others: others.map(() => ours) });
    const theirs = cellsOf('kubectl');
    columns.push([deployer.name, ...ours.map((cell, index) => `${cell} / ${theirs[index]}`)]);
  }
  const [head = [], ...rows] = (columns[0] ?? []).map((_, row) => columns.map((column) => column[row] ?? ''));
  return markdownTable(head, rows);
}
