import { readFileSync } from 'node:fs';

/** The workflows in the README, by name. */
export function readmeWorkflows(): Record<string, string> {
  const blocks = readFileSync('README.md', 'utf8').matchAll(/```yaml\n(name: (.*)\n[\s\S]*?)```/g);
  return Object.fromEntries([...blocks].map(([, text = '', name = '']) => [name, text]));
}
