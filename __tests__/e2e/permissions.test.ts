/** Each command with exactly the Roles of rbac/, and without each single rule: how it ends, and that it names the rule to add. */
import { readFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { load } from 'js-yaml';
import { PERMISSIONS } from '../../src/cluster/permissions.ts';
import type { Step } from '../../testbed/step.ts';
import { type Any, execute, expectStep, Fleet, type ManifestOptions } from '../helpers/support.ts';

const fast: ManifestOptions = { maxUnavailable: '100%' };
/** So long that the replaced pods are too young when the rollout is complete, and are watched. */
const watched = { 'stable-for': '5s' };
const crash = { 'failure-grace': '4s', 'progress-deadline': '60s', 'log-lines': '5' };
/** Without the right to list pods, the step can only wait. */
const blind = { 'list pods': { 'progress-deadline': '12s', 'stable-for': 'auto' } };
/** The same for a rollout that succeeds: only its counters are checked. */
const counters = { 'list pods': { 'stable-for': 'auto' } };

/** A rule, named as in the audit log and in messages: `list pods`. */
type Rule = string;
const rules = PERMISSIONS.map(({ verb, resource }): Rule => `${verb} ${resource}`);
const partOf = (rule: Rule): string | undefined => PERMISSIONS[rules.indexOf(rule)]?.part;

interface Command {
  prepare(fleet: Fleet): Promise<unknown>;
  run(fleet: Fleet, inputs: Record<string, string>): Promise<Step>;
  /** The conclusion: by default the outcome. */
  ended?(step: Step, fleet: Fleet): string | Promise<string>;
  inputs?: Record<string, string>;
  /** Inputs without a rule. */
  inputsWithout?: Record<Rule, Record<string, string>>;
  ends: string;
  /** The rules that the command certainly uses, and how it ends without each. */
  without: Record<Rule, string>;
  /** Rules that only add certainty, so that no message names them. */
  silent?: Rule[];
}

const rollOutTwo = async (fleet: Fleet): Promise<void> => {
  await fleet.rollOut('v1', fast);
  await fleet.rollOut('v2', fast);
};
const rollOutThenCrash = async (fleet: Fleet): Promise<void> => {
  await fleet.rollOut('v1');
  await fleet.deploy('v2-crash');
};
/** What a preflight looks up. */
const references = {
  initContainers: [
    { name: 'setup', image: 'registry.example/setup:v1', envFrom: [{ configMapRef: { name: 'a' } }, { secretRef: { name: 'b' } }] },
  ],
  volumes: [{ name: 'c', persistentVolumeClaim: { claimName: 'c' } }],
};
const guarded = new WeakMap<Fleet, Step>();

const commands: Record<string, Command> = {
  rollback: {
    prepare: async (fleet) => {
      await fleet.rollOut('v1');
      await fleet.getStuck('v2-missing');
    },
    run: (fleet, inputs) => fleet.rollback(inputs),
    inputs: watched,
    inputsWithout: counters,
    ends: 'rolled-back',
    without: {
      'get daemonsets': 'error',
      'list controllerrevisions': 'error',
      'patch daemonsets': 'error',
      // Only noticed after the write: the rollout is followed by polling.
      'watch daemonsets': 'rolled-back',
      'patch controllerrevisions': 'rolled-back',
      'create pods': 'rolled-back',
      'list pods': 'rolled-back',
      'watch pods': 'rolled-back',
    },
  },
  status: {
    prepare: (fleet) => fleet.rollOut('v1', fast),
    run: (fleet, inputs) => fleet.rollback({ command: 'status', 'stable-for': '0', ...inputs }),
    inputsWithout: counters,
    ends: 'complete',
    without: {
      'get daemonsets': 'error',
      'list controllerrevisions': 'complete',
      'patch controllerrevisions': 'complete',
      'list pods': 'complete',
    },
  },
  'status of pods that crash': {
    prepare: rollOutThenCrash,
    run: (fleet, inputs) => fleet.rollback({ command: 'status', ...inputs }),
    inputs: crash,
    inputsWithout: blind,
    ends: 'failed',
    without: {
      'get daemonsets': 'error',
      'list controllerrevisions': 'failed',
      'watch daemonsets': 'failed',
      'list pods': 'stalled',
      'watch pods': 'failed',
      'get pods/log': 'failed',
      'list events': 'failed',
      'list nodes': 'failed',
    },
  },
  'status with rollback-on-failure': {
    prepare: rollOutThenCrash,
    run: (fleet, inputs) => fleet.rollback({ command: 'status', 'rollback-on-failure': 'true', ...inputs }),
    ended: ({ outputs }) => `${outputs['outcome']}${outputs['changed'] === 'true' ? ', rolled back' : ''}`,
    inputs: crash,
    inputsWithout: blind,
    ends: 'failed, rolled back',
    without: {
      'get daemonsets': 'error',
      'list controllerrevisions': 'error',
      'watch daemonsets': 'failed, rolled back',
      'patch daemonsets': 'failed',
      'patch controllerrevisions': 'failed, rolled back',
      'create pods': 'failed, rolled back',
      'list pods': 'stalled',
      'watch pods': 'failed, rolled back',
      'get pods/log': 'failed, rolled back',
      'list events': 'failed, rolled back',
      'list nodes': 'failed, rolled back',
    },
  },
  history: {
    prepare: rollOutTwo,
    run: (fleet, inputs) => fleet.rollback({ command: 'history', ...inputs }),
    ends: 'listed',
    without: { 'get daemonsets': 'error', 'list controllerrevisions': 'error', 'list pods': 'listed' },
  },
  'history by selector': {
    prepare: (fleet) => fleet.rollOut('v1', { ...fast, labels: { tier: 'node-agent' } }),
    run: (fleet, inputs) =>
      fleet.rollback({ command: 'history', daemonset: '', selector: 'tier=node-agent', namespace: fleet.namespace, ...inputs }),
    ends: 'listed',
    without: { 'list daemonsets': 'error', 'list controllerrevisions': 'error', 'list pods': 'listed' },
  },
  'history of a revision': {
    prepare: async (fleet) => {
      await fleet.deploy('v1', { ...fast, podSpec: references });
      await fleet.observed();
      await fleet.rollOut('v2', fast);
    },
    run: (fleet, inputs) => fleet.rollback({ command: 'history', revision: '1', ...inputs }),
    ends: 'listed',
    without: {
      'get daemonsets': 'error',
      'list controllerrevisions': 'error',
      'list pods': 'listed',
      'get configmaps': 'listed',
      'get secrets': 'listed',
      'get persistentvolumeclaims': 'listed',
      'create pods': 'listed',
    },
  },
  release: {
    prepare: async (fleet) => {
      await fleet.deploy('v1');
      await fleet.kubectl(['annotate', `daemonset/${fleet.name}`, 'rollback-daemonset/hold=yes']);
    },
    run: (fleet, inputs) => fleet.rollback({ command: 'release', ...inputs }),
    ends: 'released',
    without: { 'get daemonsets': 'error', 'patch daemonsets': 'error' },
  },
  guard: {
    prepare: rollOutTwo,
    run: (fleet, inputs) => fleet.rollback({ command: 'guard', ...inputs }),
    inputsWithout: counters,
    ends: 'recorded',
    without: { 'get daemonsets': 'error', 'list controllerrevisions': 'error', 'list pods': 'recorded' },
    // Read only to check that an explicit stable-for can be granted.
    silent: ['list pods'],
  },
  "guard's post step": {
    prepare: async (fleet) => {
      await fleet.rollOut('v1', fast);
      guarded.set(fleet, await fleet.rollback({ command: 'guard', ...watched }));
      await fleet.getStuck('v2-missing');
    },
    run: (fleet, inputs) => fleet.post(guarded.get(fleet)?.state ?? {}, inputs).done,
    inputs: watched,
    inputsWithout: counters,
    // A post step cannot set outputs.
    ended: async (_step, fleet) => ((await fleet.image()) === 'v1' ? 'restored' : 'left'),
    ends: 'restored',
    without: {
      'get daemonsets': 'left',
      'list controllerrevisions': 'left',
      'patch daemonsets': 'left',
      'watch daemonsets': 'restored',
      'patch controllerrevisions': 'restored',
      'create pods': 'restored',
      'list pods': 'restored',
      'watch pods': 'restored',
    },
  },
};

const read = (name: string): Any => load(readFileSync(`rbac/${name}`, 'utf8'));

const everything = (): Any[] => ['role.yaml', 'nodes.yaml', 'preflight.yaml', 'preflight-admission.yaml'].map(read);

/** The Roles without a rule; a Role without any rules is omitted. */
function take(rule: Rule, roles: Any[]): Any[] {
  const without = ({ resources, verbs, ...rest }: Any): Any => ({
    ...rest,
    resources,
    verbs: verbs.filter((verb: string) => `${verb} ${resources[0]}` !== rule),
  });
  return roles
    .map((role) => ({ ...role, rules: role.rules.map(without).filter(({ verbs }: Any) => verbs.length > 0) }))
    .filter((role) => role.rules.length > 0);
}

/** The rules that a step reports as missing. */
const hints = ({ log }: Step): Rule[] => [
  ...new Set(
    [...log.matchAll(/Add this rule to a (?:Role in namespace \S+|ClusterRole), to .*?resources: \["([\w/]+)"\], verbs: \["(\w+)"\]/g)].map(
      ([, resource, verb]) => `${verb} ${resource}`,
    ),
  ),
];

/** Runs a command with an account that has these roles, and with the inputs for the missing rules. */
async function play(command: Command, roles: Any[], missing: Rule[]): Promise<{ step: Step; ended: string; requests: Rule[] }> {
  const fleet = await Fleet.create();
  try {
    await command.prepare(fleet);
    const kubeconfig = await fleet.kubeconfigWith(roles);
    const others = missing.map((rule) => command.inputsWithout?.[rule]);
    const before = fleet.requests().length;
    const step = await command.run(fleet, Object.assign({ kubeconfig }, command.inputs, ...others));
    const ended = (await command.ended?.(step, fleet)) ?? step.outputs['outcome'] ?? '';
    const requests = fleet
      .requests()
      .slice(before)
      .map((request) => request.replace(' dryRun', '').replace(/^get pods$/, 'get pods/log'));
    expect(JSON.stringify(step)).not.toContain((load(kubeconfig) as Any).users[0].user['client-key-data']);
    return { step, ended, requests };
  } finally {
    await fleet.remove();
  }
}

/** The step with its conclusion and hints, so that a failed comparison shows the log. */
const withHints = (step: Step, ended: string): object => ({ ...step, ended, hints: hints(step).sort() });

describe.each(Object.entries(commands))('%s', (_name, command) => {
  const { ends, without, silent = [] } = command;

  test.concurrent('with role.yaml, nodes.yaml and those of preflight, no rule is missing and no other rule is used', async () => {
    const { step, ended, requests } = await play(command, everything(), []);
    expectStep(withHints(step, ended) as Step, { ended: ends, hints: [] });
    // The audit log is filtered by namespace, which excludes nodes.
    const used = Object.keys(without).filter((rule) => rule !== 'list nodes');
    expect(requests).toEqual(expect.arrayContaining(used));
    // On a busy machine a rollout can be slow, which triggers the diagnosis.
    expect(requests.filter((rule) => !used.includes(rule) && partOf(rule) !== 'diagnosis')).toEqual([]);
  });

  test.concurrent('with role-minimal.yaml, it works without the optional rules', async () => {
    const missing = rules.filter((rule) => partOf(rule) !== undefined);
    const { step, ended } = await play(command, [read('role-minimal.yaml')], missing);
    expectStep(withHints(step, ended) as Step, { ended: without['list pods'] ?? ends });
    for (const rule of hints(step)) expect(missing).toContain(rule);
  });

  test.concurrent.each(Object.entries(without))('without "%s", it ends as %s', async (rule, expected) => {
    const { step, ended } = await play(command, take(rule, everything()), [rule]);
    expectStep(withHints(step, ended) as Step, { ended: expected, hints: silent.includes(rule) ? [] : [rule] });
    if (expected === 'error') expect(step.outputs).toMatchObject({ reason: 'forbidden', changed: 'false' });
  });
});

test('every rule is used by a command', () => {
  expect([...new Set(Object.values(commands).flatMap(({ without }) => Object.keys(without)))].sort()).toEqual([...rules].sort());
});

test('a Role with the name of one DaemonSet is sufficient for that one only', async () => {
  const fleet = await Fleet.create();
  try {
    const role = read('role-minimal.yaml');
    const [daemonSets, ...others] = role.rules;
    const one = { ...daemonSets, verbs: ['get', 'patch', 'watch'], resourceNames: [fleet.name] };
    const kubeconfig = await fleet.kubeconfigWith([{ ...role, rules: [one, ...others] }]);
    const other = fleet.beside('other');
    for (const each of [fleet, other]) await rollOutTwo(each);
    const step = await fleet.rollback({ kubeconfig, 'stable-for': 'auto' });
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' } });
    expect(hints(step).sort()).toEqual(['create pods', 'list pods']);
    expectStep(await other.rollback({ kubeconfig }), { code: 1, outputs: { outcome: 'error', reason: 'forbidden' } });
  } finally {
    await fleet.remove();
  }
});

test('the commands in docs/authentication.md create an account with all rules', async () => {
  const fleet = await Fleet.create();
  try {
    await rollOutTwo(fleet);
    const [, block = ''] = /```sh\n(kubectl create serviceaccount [\s\S]*?)```/.exec(readFileSync('docs/authentication.md', 'utf8')) ?? [];
    const script = block.replaceAll('logging', fleet.namespace).replace(/https:\S+?\/(?=rbac\/)/g, '');
    fleet.onRemove(
      async () => void (await fleet.kubectl(['delete', 'clusterrolebinding/rollback-daemonset', 'clusterrole/rollback-daemonset-nodes'])),
    );
    const path = [dirname(fleet.testbed.kubectl), process.env['PATH']].join(delimiter);
    const made = await execute('env', [`PATH=${path}`, `KUBECONFIG=${fleet.testbed.kubeconfig}`, 'bash', '--norc', '-euc', script]);
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const token = (await fleet.kubectl(['create', 'token', 'rollback-daemonset'])).trim();
    const config = load(readFileSync(fleet.testbed.kubeconfig, 'utf8')) as Any;
    config.users[0].user = { token };
    const step = await fleet.rollback({ kubeconfig: JSON.stringify(config) });
    expectStep(step, { code: 0, outputs: { outcome: 'rolled-back' }, log: expect.not.stringContaining('Add this rule') });
    const can = ['auth', 'can-i', 'list', 'nodes', `--as=system:serviceaccount:${fleet.namespace}:rollback-daemonset`];
    expect(await fleet.kubectl(can)).toBe('yes\n');
  } finally {
    await fleet.remove();
  }
});

describe('an explicit stable-for without the right to list pods', () => {
  test.each([
    ['a rollback', {}],
    ['a dry run', { 'dry-run': 'true' }],
    ['a gate', { command: 'status' }],
    ['a guard, before the deploy', { command: 'guard' }],
  ])('is refused before anything is written: %s', async (_name, inputs) => {
    const fleet = await Fleet.create();
    try {
      await rollOutTwo(fleet);
      const kubeconfig = await fleet.kubeconfigWith([read('role-without-diagnosis.yaml')]);
      const step = await fleet.rollback({ kubeconfig, 'stable-for': '20s', ...inputs });
      expectStep(step, { code: 1, outputs: { outcome: 'error', reason: 'forbidden', changed: 'false' } });
      expect(step.log).toMatch(/::error .*Input stable-for: 20\.0 s requires permission to list pods\. .*omit stable-for/);
      expect(hints(step)).toEqual(['list pods']);
      expect([fleet.writes(), fleet.marks()]).toEqual([0, 0]);
    } finally {
      await fleet.remove();
    }
  });
});
