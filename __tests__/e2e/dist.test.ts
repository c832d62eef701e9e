/** The bundle is reproducible from its sources in any folder. The test script itself compares it with a build in this folder. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execute } from '../helpers/support.ts';

interface Locked {
  integrity?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> };

/** The packages that src/ imports. They are development dependencies: the package has the bundle, and needs none of them. */
const IMPORTED = ['@actions/core', '@actions/github', '@kubernetes/client-node', 'js-yaml', 'p-limit', 'socks', 'string-width', 'valibot'];

/** The paths of packages in node_modules, and of all that they depend on. */
function withDependencies(names: readonly string[], from = '', found = new Set<string>()): Set<string> {
  for (const name of names) {
    const path = [`${from}/node_modules/${name}`, `node_modules/${name}`].find((path) => packages[path]);
    if (path === undefined || found.has(path) || !existsSync(path)) continue;
    const { dependencies = {}, optionalDependencies = {} } = packages[path] as Locked;
    withDependencies(Object.keys({ ...dependencies, ...optionalDependencies }), path, found.add(path));
  }
  return found;
}

test('a build in another folder gives the same bytes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollback-daemonset-build-'));
  const elsewhere = join(folder, 'of another', 'name');
  try {
    const installed = withDependencies([...IMPORTED, 'esbuild', '@vercel/ncc']);
    const scripts = readdirSync('scripts')
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join('scripts', name));
    for (const path of ['src', ...scripts, 'package.json', 'package-lock.json', 'tsconfig.json', ...installed])
      cpSync(path, join(elsewhere, path), { recursive: true });
    expect(await execute(process.execPath, [join(elsewhere, 'scripts', 'build.ts')])).toMatchObject({ code: 0 });
    const read = (directory: string): Record<string, string> =>
      Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'base64')]));
    expect(read(join(elsewhere, 'dist'))).toEqual(read('dist'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the bill of materials and the licenses match package-lock.json, and every license is permissive', () => {
  const { components, metadata } = JSON.parse(readFileSync('dist/sbom.json', 'utf8')) as {
    metadata: { component: { name: string; version: string } };
    components: { name: string; version: string; licenses: { license: { id: string } }[]; hashes: { content: string }[] }[];
  };
  const own = JSON.parse(readFileSync('package.json', 'utf8')) as { name: string; version: string };
  expect(metadata.component).toMatchObject({ name: own.name, version: own.version });
  expect(components.map(({ name }) => name)).toEqual(expect.arrayContaining(IMPORTED));
  const pinned = Object.entries(packages).map(([path, { integrity = '' }]) => [path.replace(/^.*node_modules\//, ''), integrity]);
  const texts = readFileSync('dist/licenses.txt', 'utf8').split(/\n-{80}\n\n/);
  expect(texts).toHaveLength(components.length);
  for (const [index, { name, version, licenses, hashes }] of components.entries()) {
    const license = licenses[0]?.license.id;
    expect(['Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']).toContain(license);
    expect(pinned).toContainEqual([name, `sha512-${Buffer.from(hashes[0]?.content ?? '', 'hex').toString('base64')}`]);
    expect(texts[index]?.startsWith(`${name} ${version} (${license})\n\n`)).toBe(true);
    expect(texts[index]).not.toContain('No licence text');
  }
});
