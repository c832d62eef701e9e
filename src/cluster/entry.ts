import { existsSync } from 'node:fs';
import { ClusterError } from './cluster.ts';

/** An entry of a kubeconfig's clusters, users or contexts (client-go's v1 Config), not validated yet. */
export interface Entry {
  name: string;
  [key: string]: unknown;
}

/**
 * A string field of an entry. A missing or empty value is undefined. Anything else, such as a number, is an error, as in kubectl:
 * if it were treated as missing, another account or namespace would be used.
 *
 * @throws ClusterError `kubeconfig`
 */
export function text(entry: Entry, key: string): string | undefined {
  const value = entry[key] ?? '';
  if (typeof value !== 'string') throw wrong(entry, `${key} must be a string. Put quotes around it.`);
  return value === '' ? undefined : value;
}

/** A boolean field of an entry; false if it is missing. @throws ClusterError `kubeconfig` */
export function flag(entry: Entry, key: string): boolean {
  const value = entry[key] ?? false;
  if (typeof value !== 'boolean') throw wrong(entry, `${key} must be true or false.`);
  return value;
}

/** A field of an entry that is a list of strings; empty if it is missing. @throws ClusterError `kubeconfig` */
export function texts(entry: Entry, key: string): string[] {
  const value = entry[key] ?? [];
  if (!Array.isArray(value) || value.some((one) => typeof one !== 'string')) throw wrong(entry, `${key} must be a list of strings.`);
  return value as string[];
}

/** The path of a file in an entry. It is checked here, so that the message can name the field. @throws ClusterError `kubeconfig` */
export function file(entry: Entry, key: string): string | undefined {
  const path = text(entry, key);
  if (path !== undefined && !existsSync(path))
    throw wrong(
      entry,
      `the file ${path} (${key}) does not exist. For a CI runner, embed its content: kubectl config view --flatten --minify.`,
    );
  return path;
}

/** The error for an invalid entry. */
export function wrong(entry: Entry, what: string): ClusterError {
  return new ClusterError('kubeconfig', `The kubeconfig is invalid: in the entry "${entry.name}", ${what}`);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
