/** Writes what is made from the table of inputs: the inputs in action.yml, in action-types.yml and in the README. `--check` only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Definition, INPUT_NAMES, INPUTS, type InputName } from '../src/inputs/definitions.ts';
import { DESCRIPTIONS } from '../src/inputs/descriptions.ts';

/** Longer lines are broken, in characters. */
const WIDTH = 140;
/** A comment of the README is beside its input up to this width. */
const README_WIDTH = 138;

function wrapped(text: string, prefix: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && `${prefix}${last} ${word}`.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => `${prefix}${line}`);
}

/** A text that YAML would read as something else is in quotes. */
function scalar(text: string): string {
  return /^(true|false|\d+)$/.test(text) ? JSON.stringify(text) : text;
}

function inAction(name: InputName): string[] {
  const { default: otherwise } = INPUTS[name];
  const { description } = DESCRIPTIONS[name];
  const line = `    description: ${description}`;
  const isPlain = line.length <= WIDTH && !/: | #/.test(description);
  return [
    `  ${name}:`,
    ...(isPlain ? [line] : ['    description: >-', ...wrapped(description, '      ', WIDTH)]),
    ...(otherwise === '' ? [] : [`    default: ${scalar(otherwise)}`]),
  ];
}

function inTypes(name: InputName): string[] {
  const { type, values = [] }: Definition<unknown> = INPUTS[name];
  switch (type) {
    case 'enum':
      return [`  ${name}:`, '    type: enum', '    allowed-values:', ...values.map((value) => `      - ${scalar(value)}`)];
    case 'lines':
    case 'commas': {
      const separator = type === 'lines' ? '"\\n"' : "','";
      return [`  ${name}:`, '    type: list', `    separator: ${separator}`, '    list-item:', '      type: string'];
    }
    default:
      return [`  ${name}:`, `    type: ${type}`];
  }
}

function inReadme(name: InputName): string[] {
  const { default: otherwise } = INPUTS[name];
  const { reference } = DESCRIPTIONS[name];
  const line = `    ${name}: ${otherwise === '' ? "''" : otherwise}`;
  const beside = `${line} # ${reference}`;
  return beside.length <= README_WIDTH ? [beside] : [...wrapped(reference, '    # ', README_WIDTH - 10), line];
}

const inputsOf = (lines: (name: InputName) => string[]): string => INPUT_NAMES.flatMap(lines).join('\n');

/** Each file, the part of it that is made, and what it is made of. */
const PARTS: [path: string, part: RegExp, lines: (name: InputName) => string[]][] = [
  ['action.yml', /(?<=^inputs:\n).*?(?=\n\noutputs:$)/ms, inAction],
  ['action-types.yml', /(?<=^inputs:\n).*?(?=\n+outputs:$)/ms, inTypes],
  ['README.md', /(?<=^## Inputs\n\n```yaml\n- uses: \S+\n {2}with:\n).*?(?=\n```$)/ms, inReadme],
];

let isCurrent = true;
for (const [path, part, lines] of PARTS) {
  const before = readFileSync(path, 'utf8');
  if (!part.test(before)) throw new Error(`${path} has no part that is made from the table of inputs`);
  const after = before.replace(part, () => inputsOf(lines));
  if (after === before) continue;
  isCurrent = false;
  if (process.argv.includes('--check')) console.error(`${path} does not match the table in src/inputs/. Run: npm run docs`);
  else writeFileSync(path, after);
}
if (!isCurrent && process.argv.includes('--check')) process.exitCode = 1;
