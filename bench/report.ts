import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { markdownTable } from '../scripts/markdown-table.ts';

const PAGE = 'docs/performance.md';
/** The parts of the page that are written, each between two markers, and the command that writes it. */
const SECTIONS = {
  measured: 'npm run bench',
  real: 'npm run bench -- --real',
  broken: 'npm run bench -- --broken',
  'command-line': 'npm run bench -- --command-line',
};

/** A goal, and the measured values. */
export interface Row {
  what: string;
  goal: string;
  ours: string;
  kubectl: string;
  met: boolean;
}

/** The conditions of the measurement. */
export interface Circumstances {
  pairs: number;
  /** The machine's load average over one minute, before the run. */
  load: number;
  /** Peak memory of Node without a program, in MB. */
  bare: number;
  /** CPU time of each pair, in milliseconds: the action's, kubectl's. */
  cpu: [ours: number, kubectl: number][];
}

/** Writes the table and the chart into docs/performance.md, between the two markers. */
export function writeReport(rows: Row[], circumstances: Circumstances): void {
  writeSection('measured', `${table(rows)}\n\n${chart(circumstances)}`);
}

/** Writes a part of docs/performance.md. */
export function writeSection(section: keyof typeof SECTIONS, text: string): void {
  const page = readFileSync(PAGE, 'utf8');
  const [begin, end] = [`<!-- ${section}: written by ${SECTIONS[section]} -->`, `<!-- ${section}: end -->`];
  const [before, after] = [page.indexOf(begin), page.indexOf(end)];
  if (before < 0 || after < before) throw new Error(`${PAGE} does not contain "${begin}" followed by "${end}". Restore both lines.`);
  writeFileSync(PAGE, `${page.slice(0, before)}${begin}\n\n${text}\n\n${page.slice(after)}`);
}

function table(rows: Row[]): string {
  return markdownTable(
    ['', 'this action', 'kubectl, undo and status', 'goal', 'met'],
    rows.map(({ what, ours, kubectl, goal, met }) => [what, ours, kubectl, goal, met ? '✅' : '❌']),
  );
}

function chart({ pairs, load, bare, cpu }: Circumstances): string {
  const most = Math.max(...cpu.flat());
  const look = {
    xyChart: { width: 700, height: 280 },
    themeVariables: { xyChart: { backgroundColor: 'transparent', plotColorPalette: '#2f81f7, #3fb950' } },
  };
  return [
    '```mermaid',
    `%%{init: ${JSON.stringify(look)}}%%`,
    'xychart-beta',
    `  x-axis "pair" 1 --> ${cpu.length}`,
    `  y-axis "CPU time, ms" 0 --> ${Math.ceil(most / 50) * 50}`,
    `  line [${cpu.map(([ours]) => Math.round(ours)).join(', ')}]`,
    `  line [${cpu.map(([, kubectl]) => Math.round(kubectl)).join(', ')}]`,
    '```',
    '',
    'CPU time of each pair, with the good mark already set. Blue: this action. Green: kubectl, undo and status together.',
    '',
    [
      `Medians of ${pairs} pairs. "×" is the median of the ratios of the pairs.`,
      `${cpus().length} cores, ${process.arch}, Node ${process.version}; load average before the run: ${load.toFixed(1)}.`,
      `Bare Node takes ${Math.round(bare)} MB.`,
    ].join(' '),
  ].join('\n');
}
