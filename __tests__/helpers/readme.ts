import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A block of YAML on a page. */
export interface Snippet {
  page: string;
  text: string;
}

/** The blocks of YAML in the README and in docs/. */
export function snippets(): Snippet[] {
  const docs = readdirSync('docs').filter((name) => name.endsWith('.md'));
  return ['README.md', ...docs.map((name) => join('docs', name))].flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => ({ page, text })),
  );
}

/** The complete workflows among them, by name. */
export function documentedWorkflows(): Record<string, string> {
  const complete = snippets().flatMap(({ text }) => (/^name: .*\n(?:.*\n)*jobs:\n/.test(text) ? [text] : []));
  return Object.fromEntries(complete.map((text) => [/^name: (.*)$/m.exec(text)?.[1] ?? '', text]));
}

/** The other ones that use this action, each as a complete workflow: a list of steps, or the content of a job. */
export function completedSnippets(): Snippet[] {
  const indent = (text: string, by: number): string => text.replace(/^(?=.)/gm, ' '.repeat(by));
  const inJob = (job: string): string => `name: Snippet\non: push\njobs:\n  snippet:\n    runs-on: ubuntu-latest\n${indent(job, 4)}`;
  return snippets().flatMap(({ page, text }) => {
    if (/^name: /.test(text) || !text.includes('OWNER/rollback-daemonset@')) return [];
    const job = /^- /.test(text) ? `steps:\n${indent(text, 2)}` : text;
    return [{ page, text: inJob(job) }];
  });
}

/** The blocks of code in one language under a heading of a page, up to the next heading of the same level or a higher one. */
export function snippetsIn(page: string, heading: string, language: string): string[] {
  const lines = readFileSync(page, 'utf8').split('\n');
  const start = lines.findIndex((line) => line.replace(/^#+ /, '') === heading && line.startsWith('#'));
  if (start === -1) throw new Error(`${page} has no heading "${heading}"`);
  const level = lines[start]?.indexOf(' ') ?? 0;
  const blocks: string[] = [];
  let block: string[] | undefined;
  for (const line of lines.slice(start + 1)) {
    if (block && line === '```') {
      blocks.push(block.map((text) => `${text}\n`).join(''));
      block = undefined;
    } else if (block) block.push(line);
    else if (line === `\`\`\`${language}`) block = [];
    else if (/^#+ /.test(line) && line.indexOf(' ') <= level) break;
  }
  return blocks;
}
