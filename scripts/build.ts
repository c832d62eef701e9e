/**
 * Builds dist/: esbuild bundles src/main.ts into one file that contains only what is used, and ncc makes dist/index.js from it. The build
 * also writes dist/cli.js, dist/post.js, a file for each library that is loaded late (LATE), the licences and the bill of materials.
 *
 * ncc alone cannot prune the Kubernetes client library: the library does not declare that it has no side effects, and imports every
 * generated model. Therefore esbuild, with side effects switched off for it, prunes first.
 *
 * `--check` compares the result with the committed dist/, and writes nothing.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile, type Plugin, transform } from 'esbuild';
import { bundled, licenses, sbom } from './bundled.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');

/** Packages of which the bundle keeps only the imported parts. */
const PRUNED = /node_modules\/(@kubernetes\/client-node|@actions\/(core|github|http-client))\//;

const prune: Plugin = {
  name: 'prune',
  setup({ onLoad, onResolve, resolve }) {
    onLoad({ filter: /./, namespace: 'absent' }, () => ({ contents: 'module.exports = undefined;' }));
    onResolve({ filter: /./ }, async ({ path, pluginData, ...rest }) => {
      if (pluginData === 'resolved') return undefined;
      // "debug" uses it if it is installed, as it is here because of the test runner. The bundle must not depend on that.
      if (path === 'supports-color') return { path, namespace: 'absent' };
      // Optional native parts of an unused WebSocket library.
      if (path === 'bufferutil' || path === 'utf-8-validate') return { path, external: true };
      const resolved = await resolve(path, { ...rest, pluginData: 'resolved' });
      return PRUNED.test(resolved.path) ? { ...resolved, sideEffects: false } : resolved;
    });
  },
};

/** Files of dist/ with a library that few runs need: SOCKS proxies of a kubeconfig, and notifications to GitHub. */
const LATE = { 'socks.cjs': 'socks', 'octokit.cjs': '@actions/github' };

/** Leaves out parts that the client library always imports, or loads them late. `alias` leaves out undici for every importer. */
const trim: Plugin = {
  name: 'trim',
  setup({ onResolve }) {
    const instead = (filter: RegExp, path: string): void =>
      onResolve({ filter }, ({ importer }) =>
        importer.includes('/@kubernetes/client-node/') ? { path: join(root, path), sideEffects: false } : undefined,
      );
    instead(/^(hpagent|socks|socks-proxy-agent|node:child_process|\.\/(azure|exec|gcp|oidc)_auth\.js)$/, 'scripts/unused.ts');
    const late = (filter: RegExp, from: string, path: string): void =>
      onResolve({ filter }, ({ importer }) =>
        importer.startsWith(join(root, from)) ? { path: join(root, path), sideEffects: false } : undefined,
      );
    late(/^socks$/, 'src/', 'scripts/late-socks.ts');
    late(/^@actions\/github$/, 'src/github/octokit.ts', 'scripts/late-octokit.ts');
  },
};

/** Leaves out of Octokit what notifications do not use. */
const trimOctokit: Plugin = {
  name: 'trim Octokit',
  setup({ onResolve }) {
    onResolve({ filter: /^(undici|@actions\/http-client|@octokit\/plugin-rest-endpoint-methods|\.\/context\.js)$/ }, ({ importer }) =>
      importer.includes('/@actions/github/') ? { path: join(root, 'scripts/unused.ts'), sideEffects: false } : undefined,
    );
  },
};

/** Makes the post step import the finished bundle instead of bundling it again. */
const besideBundle: Plugin = {
  name: 'beside the bundle',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/main\.ts$/ }, () => ({ path: './index.js', external: true }));
  },
};

async function bundle(into: string): Promise<void> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts'],
    outfile: join(into, 'pruned', 'index.js'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    metafile: true,
    plugins: [trim, prune],
    external: Object.keys(LATE).map((file) => `./${file}`),
    alias: { undici: './scripts/unused.ts' },
    banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  writeFileSync(join(into, 'pruned', 'package.json'), '{"type":"module"}\n');
  const ncc = join(root, 'node_modules', '@vercel', 'ncc', 'dist', 'ncc', 'cli.js');
  // ncc numbers modules by their paths and its own, relative to `cwd`. All are inside the checkout, so its location does not matter.
  const options = ['--out', 'dist', '--minify', '--no-cache', '--quiet', '--target', 'es2022'];
  execFileSync(process.execPath, [ncc, 'build', 'pruned/index.js', ...options], { cwd: into, stdio: ['ignore', 'ignore', 'inherit'] });
  // V8 reads ASCII faster, because it needs only one byte per character.
  const main = join(into, 'dist', 'index.js');
  writeFileSync(main, (await transform(readFileSync(main, 'utf8'), { charset: 'ascii', minify: true, target: 'node24' })).code);
  const late = await Promise.all(
    Object.entries(LATE).map(([file, library]) =>
      build({
        absWorkingDir: root,
        entryPoints: [library],
        outfile: join(into, 'dist', file),
        bundle: true,
        platform: 'node',
        format: 'cjs',
        target: 'node24',
        minify: true,
        metafile: true,
        plugins: [trimOctokit, prune],
        logLevel: 'warning',
      }),
    ),
  );
  const commandLine = await bundleCommandLine(into);
  const packages = bundled(root, metafile, commandLine, ...late.map((one) => one.metafile));
  writeFileSync(join(into, 'dist', 'licenses.txt'), licenses(packages));
  writeFileSync(join(into, 'dist', 'sbom.json'), sbom(root, packages));
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

/** The command line: one file that any Node since 20 runs, with help and terminal view loaded late. */
async function bundleCommandLine(into: string): Promise<Metafile> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/cli.ts'],
    outfile: join(into, 'dist', 'cli.js'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    charset: 'ascii',
    minify: true,
    metafile: true,
    plugins: [trim, prune],
    inject: ['scripts/older-node.ts'],
    define: { VERSION: JSON.stringify(version) },
    external: ['./socks.cjs'],
    alias: { undici: './scripts/unused.ts' },
    // Node takes an option of its own, such as --env-file, from anywhere before "--". So a shell starts it; to Node, its line is a comment.
    banner: {
      js: '#!/bin/sh\n\':\' //; exec node -- "$0" "$@"\nimport { createRequire } from \'node:module\';\nconst require = createRequire(import.meta.url);',
    },
    logLevel: 'warning',
  });
  chmodSync(join(into, 'dist', 'cli.js'), 0o755);
  return metafile;
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
      console.error(`dist/ does not match the sources. These files differ: ${different.join(', ')}. Run "npm run build" and commit dist/.`);
      process.exitCode = 1;
    } else console.log('dist/ matches the sources.');
  } else {
    rmSync(dist, { recursive: true, force: true });
    cpSync(made, dist, { recursive: true });
    console.log(`dist/index.js: ${Math.round(readFileSync(join(dist, 'index.js')).length / 1024)} KiB`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
