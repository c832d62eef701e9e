/** Lists the packages in the bundle: their licences, and a software bill of materials. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

/** A package with code in the bundle. */
export interface Bundled {
  name: string;
  version: string;
  /** An SPDX identifier. */
  license: string;
  /** The text of its licence. */
  text: string;
  /** The SHA-512 of the package in the registry, from package-lock.json, in hexadecimal. */
  sha512: string;
}

/** @throws if a package does not name its licence, or package-lock.json does not pin it. */
export function bundled(root: string, ...metafiles: Metafile[]): Bundled[] {
  const outputs = metafiles.flatMap((metafile) => Object.values(metafile.outputs));
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, { integrity?: string }> };
  const paths = new Set<string>();
  for (const [path, { bytesInOutput }] of outputs.flatMap(({ inputs }) => Object.entries(inputs))) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path);
    if (bytesInOutput > 0 && match?.[1]) paths.add(match[1]);
  }
  return [...paths].sort().map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')) as Record<string, string>;
    const [algorithm, digest = ''] = (lock.packages[path]?.integrity ?? '').split('-');
    if (!name || !version || !license || algorithm !== 'sha512')
      throw new Error(`${path} does not name its licence, or package-lock.json does not pin it by SHA-512.`);
    const file = readdirSync(join(root, path)).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
    const text = file ? readFileSync(join(root, path, file), 'utf8').trim() : 'No licence text is in the package.';
    return { name, version, license, text, sha512: Buffer.from(digest, 'base64').toString('hex') };
  });
}

export function licenses(packages: Bundled[]): string {
  return packages.map(({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text}\n`).join(`\n${'-'.repeat(80)}\n\n`);
}

/** CycloneDX 1.6. Its serial number is derived from its content, so that the same bundle has the same bill. */
export function sbom(root: string, packages: Bundled[]): string {
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string; version: string; license: string };
  const component = (type: string, { name, version, license }: { name: string; version: string; license: string }): object => ({
    type,
    'bom-ref': purl(name, version),
    name,
    version,
    licenses: [{ license: { id: license } }],
    purl: purl(name, version),
  });
  const content = {
    version: 1,
    metadata: { component: component('application', own) },
    components: packages.map((one) => ({ ...component('library', one), hashes: [{ alg: 'SHA-512', content: one.sha512 }] })),
    dependencies: [{ ref: purl(own.name, own.version), dependsOn: packages.map(({ name, version }) => purl(name, version)) }],
  };
  return `${JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber: uuidOf(content), ...content }, null, 2)}\n`;
}

/** A package URL: https://github.com/package-url/purl-spec */
function purl(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

/** An RFC 9562 UUID of version 8, whose bits the application can choose. */
function uuidOf(content: object): string {
  const hex = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
