import { readdirSync, readFileSync } from 'node:fs';
import { loadAll } from 'js-yaml';

interface Stage {
  kind: 'Stage';
  spec: { steps: { patch?: { template: string }; apply?: { template: string } }[] };
}

const directory = new URL('./stages/', import.meta.url);

/**
 * The configuration of kwok: the rules of `stages/*.yaml`. kwok's templates can't
 * include one another, therefore `stages/blocks.gotmpl` is put before each that uses a block of it.
 */
export function kwokConfiguration(): string {
  const blocks = readFileSync(new URL('blocks.gotmpl', directory), 'utf8');
  const stages = readdirSync(directory)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name) => loadAll(readFileSync(new URL(name, directory), 'utf8')) as Stage[]);
  for (const step of stages.flatMap((stage) => stage.spec.steps)) {
    for (const effect of [step.patch, step.apply]) {
      if (effect?.template.includes('{{ template ')) effect.template = blocks + effect.template;
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
