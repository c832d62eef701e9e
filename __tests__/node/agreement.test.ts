/** Simulated pods go through the same states as those of a real kubelet, for each behavior that an image's tag selects. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Api } from '../../testbed/api.ts';
import { behaviorOf, podOf } from '../../testbed/manifest.ts';
import { describeOnRealNode } from '../helpers/real-node.ts';
import { type Any, eventually, Fleet, sharedTestbed } from '../helpers/support.ts';

interface Case {
  tag: string;
  /** Without the probes that the behavior comes with. */
  bare?: true;
  /** The state at which both are compared. */
  until: RegExp;
}

const restarts = (count: number): RegExp => new RegExp(` restarts=${count} `);
const ready = / ready=True /;
const cases: Case[] = [
  ...['v1', 'v1-slow', 'v1-jitter', 'v1-flaky', 'v1-flaky-pull', 'v1-deaf'].map((tag) => ({ tag, until: ready })),
  ...['v1-hang', 'v1-silent', 'v1-crash', 'v1-flaky'].map((tag) => ({ tag, bare: true as const, until: ready })),
  ...['v1-hang', 'v1-silent'].map((tag) => ({ tag, until: / running / })),
  ...['v1-crash', 'v1-panic', 'v1-oom', 'v1-run-error', 'v1-unhealthy'].map((tag) => ({ tag, until: restarts(2) })),
  ...['v1-crash', 'v1-oom'].map((tag) => ({ tag, bare: true as const, until: restarts(2) })),
  ...['missing', 'private', 'denied', 'toomany', 'broken'].map((error) => ({ tag: `v1-${error}`, until: / waiting:ImagePullBackOff / })),
  { tag: 'v1-config-error', until: / waiting:CreateContainerConfigError / },
  { tag: 'v1-unmounted', until: / sandbox=False waiting:ContainerCreating / },
];
const titleOf = ({ tag, bare, until }: Case): string => `${tag}${bare ? ' without probes' : ''}, until${until.source}`;
/** How many cases run at the same time. */
const AT_ONCE = 6;
/** A pod before its first container is created. What is seen of that depends on the speed of the machine. */
const BEFORE_START = / waiting:(ContainerCreating|nothing) /;

interface Seen {
  /** The distinct states of the pod on each node, in order. */
  real: string[];
  simulated: string[];
}

async function play({ tag, bare, until }: Case): Promise<Seen> {
  const testbed = sharedTestbed();
  const fleet = await Fleet.create();
  const api = new Api(testbed.directory);
  const states: Record<string, string[]> = { 'real-1': [], 'node-1': [] };
  try {
    const behavior = behaviorOf(tag);
    if (bare) {
      delete behavior.container.readinessProbe;
      delete behavior.container.livenessProbe;
    }
    const watching = (async () => {
      for await (const { object } of api.watch<{ object: Any }>(
        `/api/v1/namespaces/${fleet.namespace}/pods?watch=true&timeoutSeconds=90`,
      )) {
        const seen = states[object.spec.nodeName];
        const state = stateOf(object);
        if (seen && seen.at(-1) !== state) seen.push(state);
      }
    })().catch(() => {});
    await fleet.deploy(tag, { podSpec: podOf([behavior]) });
    await eventually(
      `${tag} on both nodes until ${until}`,
      () => states,
      (seen) => Object.values(seen).every((all) => all.some((state) => until.test(state))),
    );
    void watching;
  } finally {
    api.close();
    await fleet.remove();
  }
  // A state after the one that was waited for may have been seen on one of the nodes.
  const upTo = (seen: string[] = []): string[] => seen.slice(0, seen.findIndex((state) => until.test(state)) + 1);
  const relevant = (seen: string[]): string[] => seen.filter((state, index) => index === seen.length - 1 || !BEFORE_START.test(state));
  return { real: relevant(upTo(states['real-1'])), simulated: relevant(upTo(states['node-1'])) };
}

function stateOf({ status }: Any): string {
  const [container] = status.containerStatuses ?? [];
  const condition = (type: string): string => status.conditions?.find((one: Any) => one.type === type)?.status ?? 'unknown';
  const state = (of: Any = {}): string => {
    const [[name, { reason = undefined, exitCode = undefined } = {}] = ['waiting', { reason: 'nothing' }]] = Object.entries<Any>(of);
    return [name, reason, exitCode].filter((part) => part !== undefined).join(':');
  };
  const { restartCount = 0, started = false, lastState } = container ?? {};
  const last = Object.keys(lastState ?? {}).length === 0 ? 'none' : state(lastState);
  return `${status.phase} ready=${condition('Ready')} sandbox=${condition('PodReadyToStartContainers')} ${state(container?.state)} last=${last} restarts=${restartCount} started=${started}`;
}

/**
 * A kubelet writes the status after each pass, so it may leave out a state that is over by then. Simulated pods always leave out the moment
 * until the first readiness probe succeeds.
 */
function isSubsequence(part: string[], all: string[]): boolean {
  let at = 0;
  for (const state of all) if (state === part[at]) at += 1;
  return at === part.length;
}

describeOnRealNode('simulated and real pods agree:', () => {
  const seen = new Map<string, Promise<Seen>>();
  beforeAll(() => {
    const lanes = Array.from({ length: AT_ONCE }, () => Promise.resolve() as Promise<unknown>);
    cases.forEach((one, index) => {
      const played = (lanes[index % AT_ONCE] as Promise<unknown>).then(() => play(one));
      lanes[index % AT_ONCE] = played.catch(() => {});
      seen.set(titleOf(one), played);
    });
  });
  afterAll(() => Promise.allSettled(seen.values()));

  test.each(cases.map((one) => titleOf(one)))(
    '%s',
    async (title) => {
      const { real, simulated } = (await seen.get(title)) as Seen;
      if (!isSubsequence(real, simulated) && !isSubsequence(simulated, real)) expect(simulated).toEqual(real);
      expect(Math.abs(real.length - simulated.length)).toBeLessThanOrEqual(1);
    },
    300_000,
  );
});
