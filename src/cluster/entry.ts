import { existsSync } from 'node:fs';
import { ClusterError } from './cluster.ts';

/** An entry of a kubeconfig's clusters, users or contexts (client-go's v1 Config), unverified. */
export interface Entry {
  name: string;
  [key: string]: unknown;
}

/**
 * A text in an entry; undefined where there is none or an empty one. A number is no text, as for kubectl: what is taken for absent
 * falls through to another account or namespace.
 *
 * @throws ClusterError `kubeconfig`
 */
export function text(entry: Entry, key: string): string | undefined {
  const value = entry[key] ?? '';
  if (typeof value !== 'string') throw wrong(entry, `${key} is no text. Put quotes around it.`);
  return value === '' ? undefined : value;
}

/** Whether something is switched on in an entry. @throws ClusterError `kubeconfig` */
export function flag(entry: Entry, key: string): boolean {
  const value = entry[key] ?? false;
  if (typeof value !== 'boolean') throw wrong(entry, `${key} is neither true nor false.`);
  return value;
}

/** A list of texts in an entry. @throws ClusterError `kubeconfig` */
export function texts(entry: Entry, key: string): string[] {
  const value = entry[key] ?? [];
  if (!Array.isArray(value) || value.some((one) => typeof one !== 'string')) throw wrong(entry, `${key} is no list of texts.`);
  return value as string[];
}

/** A file that an entry names: checked here, so that the message can name it. @throws ClusterError `kubeconfig` */
export function file(entry: Entry, key: string): string | undefined {
  const path = text(entry, key);
  if (path !== undefined && !existsSync(path))
    throw wrong(entry, `its ${key} ${path} does not exist. On a CI runner, embed it: kubectl config view --flatten --minify.`);
  return path;
}

/** What is wrong with an entry. */
export function wrong(entry: Entry, what: string): ClusterError {
  return new ClusterError('kubeconfig', `The kubeconfig cannot be used as it is: in the entry "${entry.name}", ${what}`);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
