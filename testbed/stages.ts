import { readdirSync, readFileSync } from 'node:fs';
import { loadAll } from 'js-yaml';

/** A container fails, or is delayed, if the tag of its image ends in one of these. README.md describes each one. */
const troubles = [
  'missing',
  'private',
  'denied',
  'toomany',
  'broken',
  'flaky-pull',
  'outage',
  'slow-pull',
  'invalid-name',
  'config-error',
  'cache-sync',
  'unmounted',
  'run-error',
  'crash',
  'panic',
  'oom',
  'slow-crash',
  'flaky',
  'twice',
  'full',
  'unhealthy',
  'hang',
  'silent',
  'slow',
  'jitter',
];

/** The probes that fail, or fail at first: a tag and the path that they request. One that exits has no time to answer. */
const failingProbes = '^(crash|panic|oom|flaky|twice|silent) |^(hang|slow|jitter|slow-crash) /readyz$|^unhealthy /healthz$';

interface Expression {
  jq: { expression: string };
}

interface Stage {
  kind: 'Stage';
  spec: {
    selector: { matchExpressions: { jq: { key: string } }[] };
    delay?: { durationFrom?: Expression; jitterDurationFrom?: Expression };
    steps: { patch?: { template: string }; apply?: { template: string } }[];
  };
}

const directory = new URL('./stages/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, directory), 'utf8');

/**
 * The configuration of kwok: the rules in `stages/*.yaml`. Neither kwok's templates nor its queries can
 * include others, therefore `stages/blocks.*`, with the words filled in, precede those of the rules.
 *
 * @param maxContainerRestartPeriod the longest of the kubelet's delays before a restart, such as `300s`.
 */
export function kwokConfiguration(maxContainerRestartPeriod: string): string {
  const delays = [10, 20, 40, 80, 160, 300].map((seconds) => Math.min(seconds, Number.parseInt(maxContainerRestartPeriod, 10)));
  const [queries, templates] = ['blocks.jq', 'blocks.gotmpl'].map((name) =>
    read(name)
      .replaceAll('TROUBLES', troubles.join('|'))
      .replaceAll('FAILING_PROBES', failingProbes)
      .replaceAll('RESTART_DELAYS', delays.join(name.endsWith('.jq') ? ', ' : ' ')),
  );
  const stages = readdirSync(directory)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name) => loadAll(read(name)) as Stage[]);
  for (const { selector, delay, steps } of stages.map(({ spec }) => spec)) {
    for (const { jq } of selector.matchExpressions) jq.key = queries + jq.key;
    for (const from of [delay?.durationFrom, delay?.jitterDurationFrom]) if (from) from.jq.expression = queries + from.jq.expression;
    for (const effect of steps.flatMap(({ patch, apply }) => [patch, apply])) {
      if (effect?.template.includes('{{ template ')) effect.template = templates + effect.template;
    }
  }

  const options = {
    apiVersion: 'config.kwok.x-k8s.io/v1alpha1',
    kind: 'KwokConfiguration',
    metadata: { name: 'kwok' },
    options: { podPlayStageParallelism: 16, nodePlayStageParallelism: 16, nodeLeaseParallelism: 16 },
  };
  return [options, ...stages].map((document) => JSON.stringify(document)).join('\n---\n');
}
