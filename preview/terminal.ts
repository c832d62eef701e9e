/** Takes pictures of a terminal. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Camera } from './browser.ts';
import { withPalette } from './png.ts';

/** The colors of xterm.js, and those that the page shows instead: readable on a light and on a dark background. */
const COLORS: readonly (readonly [ofTerminal: string, name: string, light: string, dark: string])[] = [
  ['#000000', 'box', '#ffffff', '#0d1117'],
  ['#ffffff', 'text', '#1f2328', '#e6edf3'],
  ['#cc0000', 'red', '#cf222e', '#ff7b72'],
  ['#4e9a06', 'green', '#1a7f37', '#56d364'],
  ['#c4a000', 'yellow', '#9a6700', '#e3b341'],
];

/** Renders an HTML page of a terminal's rows as xterm.js serializes them, light or dark as set in the reader's system. */
export function renderTerminal(html: string): string {
  const rows = /<pre>[\s\S]*<\/pre>/.exec(html)?.[0] ?? '';
  const used = rows.replace(/(<div><span>\s*<\/span><\/div>)+(?=<\/div>\s*<\/pre>)/, '');
  const colored = COLORS.reduce((so, [color, name]) => so.replaceAll(`color: ${color}`, `color: var(--${name})`), used);
  const variables = (scheme: 2 | 3): string => COLORS.map((color) => `--${color[1]}: ${color[scheme]}`).join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<style>
:root { color-scheme: light dark; ${variables(2)}; --line: #d1d9e0 }
@media (prefers-color-scheme: dark) { :root { ${variables(3)}; --line: #3d444d } }
body { margin: 0; background: var(--box) }
pre { margin: 0; padding: 14px 16px; border: 1px solid var(--line); border-radius: 6px; background: var(--box); width: max-content }
pre > div { font: 13px/1.4 "DejaVu Sans Mono", "Liberation Mono", monospace !important }
pre > div > div { height: 1.4em; white-space: pre }
</style>
</head>
<body>
${colored}
</body>
</html>
`;
}

/** The width of a page with so many columns, in CSS pixels. */
function widthOf(columns: number): number {
  return Math.ceil(columns * 7.83) + 34;
}

/** Takes a picture of a terminal's rows as xterm.js serializes them, for a color scheme. */
export async function pictureOfTerminal(
  camera: Camera,
  html: string,
  { path, columns, scheme }: { path: string; columns: number; scheme: 'light' | 'dark' },
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-terminal-'));
  try {
    const page = join(directory, 'terminal.html');
    writeFileSync(page, renderTerminal(html));
    mkdirSync(dirname(path), { recursive: true });
    const { png } = await camera.picture(page, { width: widthOf(columns), height: 50, scheme });
    writeFileSync(path, withPalette(png));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
