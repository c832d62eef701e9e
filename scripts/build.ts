/**
 * Makes the bundle: src/index.ts → build/index.js (one file, only what is used) → dist/index.js (by ncc), and dist/post.js beside it.
 *
 * ncc cannot prune the Kubernetes client library, which says nothing of side effects and drags in every generated
 * model; so esbuild, told that it has none, resolves and prunes first. `--check` compares with the committed
 * dist/ and writes nothing.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile, type Plugin } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');

/** Packages of which only the parts that are imported shall be kept. */
const PRUNED = /node_modules\/(@kubernetes\/client-node|@actions\/(core|github|http-client))\//;

const prune: Plugin = {
  name: 'prune',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /./ }, async ({ path, pluginData, ...rest }) => {
      if (pluginData === 'resolved') return undefined;
      // Optional native parts of a WebSocket library that is not used.
      if (path === 'bufferutil' || path === 'utf-8-validate') return { path, external: true };
      const resolved = await resolve(path, { ...rest, pluginData: 'resolved' });
      return PRUNED.test(resolved.path) ? { ...resolved, sideEffects: false } : resolved;
    });
  },
};

/** The post step takes the bundle as it is. */
const besideBundle: Plugin = {
  name: 'beside the bundle',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/index\.ts$/ }, () => ({ path: './index.js', external: true }));
  },
};

async function bundle(into: string): Promise<void> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/index.ts'],
    outfile: join(into, 'pruned', 'index.js'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    metafile: true,
    plugins: [prune],
    // The client library's second HTTP stack; requests go through node:https.
    alias: { undici: './scripts/no-undici.ts' },
    banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  writeFileSync(join(into, 'pruned', 'package.json'), '{"type":"module"}\n');
  const ncc = join(root, 'node_modules', '@vercel', 'ncc', 'dist', 'ncc', 'cli.js');
  // ncc numbers modules by their paths and its own, seen from here; so both are inside of the checkout, wherever that is.
  const options = ['--out', 'dist', '--minify', '--no-cache', '--quiet', '--target', 'es2022'];
  execFileSync(process.execPath, [ncc, 'build', 'pruned/index.js', ...options], { cwd: into, stdio: ['ignore', 'ignore', 'inherit'] });
  writeFileSync(join(into, 'dist', 'licenses.txt'), licenses(metafile));
  await build({
    absWorkingDir: root,
    entryPoints: ['src/post.ts'],
    outfile: join(into, 'dist', 'post.js'),
    bundle: true,
    format: 'esm',
    target: 'node24',
    plugins: [besideBundle],
    logLevel: 'warning',
  });
}

/** The licences of the packages that have code in the bundle. */
function licenses(metafile: Metafile): string {
  const inputs = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
  const packages = new Set<string>();
  for (const [path, { bytesInOutput }] of inputs) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path);
    if (bytesInOutput > 0 && match?.[1]) packages.add(match[1]);
  }
  const texts = [...packages].sort().map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
      license?: string;
    };
    const file = readdirSync(join(root, path)).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
    return `${name} ${version} (${license ?? 'see text'})\n\n${file ? readFileSync(join(root, path, file), 'utf8').trim() : 'No licence text is in the package.'}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

function differences(made: string): string[] {
  const names = new Set([...readdirSync(made), ...(existsSync(dist) ? readdirSync(dist) : [])]);
  return [...names].filter(
    (name) =>
      !existsSync(join(made, name)) ||
      !existsSync(join(dist, name)) ||
      !readFileSync(join(made, name)).equals(readFileSync(join(dist, name))),
  );
}

mkdirSync(join(root, 'build'), { recursive: true });
const work = mkdtempSync(join(root, 'build', 'bundle-'));
try {
  await bundle(work);
  const made = join(work, 'dist');
  if (process.argv.includes('--check')) {
    const different = differences(made);
    if (different.length > 0) {
      console.error(`dist/ is not what the sources give: ${different.join(', ')} differ. Run "npm run build" and commit dist/.`);
      process.exitCode = 1;
    } else console.log('dist/ is what the sources give.');
  } else {
    rmSync(dist, { recursive: true, force: true });
    cpSync(made, dist, { recursive: true });
    console.log(`dist/index.js: ${Math.round(readFileSync(join(dist, 'index.js')).length / 1024)} KiB`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
