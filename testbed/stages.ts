import { readdirSync, readFileSync } from 'node:fs';
import { loadAll } from 'js-yaml';

/** A container fails, or is delayed, if the tag of its image ends in one of these. README.md describes each one. */
const troubles = [
  'missing',
  'flaky-pull',
  'invalid-name',
  'config-error',
  'cache-sync',
  'unmounted',
  'run-error',
  'crash',
  'oom',
  'flaky',
  'unhealthy',
  'hang',
  'slow',
  'jitter',
];

interface Stage {
  kind: 'Stage';
  spec: {
    selector: { matchExpressions: { jq: { key: string } }[] };
    delay?: { durationFrom?: { jq: { expression: string } } };
    steps: { patch?: { template: string }; apply?: { template: string } }[];
  };
}

const directory = new URL('./stages/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, directory), 'utf8');

/**
 * The configuration of kwok: the rules in `stages/*.yaml`. Neither kwok's templates nor its queries can
 * include others, therefore `stages/blocks.*`, with the words filled in, precede those of the rules.
 */
export function kwokConfiguration(): string {
  const [queries, templates] = ['blocks.jq', 'blocks.gotmpl'].map((name) => read(name).replaceAll('TROUBLES', troubles.join('|')));
  const stages = readdirSync(directory)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name) => loadAll(read(name)) as Stage[]);
  for (const { selector, delay, steps } of stages.map(({ spec }) => spec)) {
    for (const { jq } of selector.matchExpressions) jq.key = queries + jq.key;
    if (delay?.durationFrom) delay.durationFrom.jq.expression = queries + delay.durationFrom.jq.expression;
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
