import { ClusterError } from './cluster.ts';
import { FileError, readRegularFile } from './files.ts';
import { looksLikePath, quoteName } from './quote.ts';

/** The largest file that a kubeconfig refers to: a certificate, a key or a token. */
const MAX_BYTES = 1024 * 1024;
/** Fields in which white space at the start or the end is a mistake. */
const TRIMMED = /^(server|tls-server-name|proxy-url|namespace|certificate-authority|client-certificate|client-key|tokenFile)$/;

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
export function stringField(entry: Entry, key: string): string | undefined {
  const value = entry[key] ?? '';
  if (typeof value !== 'string') throw invalid(entry, `${key} must be a string. Put quotes around it.`);
  if (TRIMMED.test(key) && value !== value.trim()) throw invalid(entry, `${key} starts or ends with white space. Remove it.`);
  return value === '' ? undefined : value;
}

/** A boolean field of an entry; false if it is missing. @throws ClusterError `kubeconfig` */
export function booleanField(entry: Entry, key: string): boolean {
  const value = entry[key] ?? false;
  if (typeof value !== 'boolean') throw invalid(entry, `${key} must be true or false.`);
  return value;
}

/** A field of an entry that is a list of strings; empty if it is missing. @throws ClusterError `kubeconfig` */
export function stringsField(entry: Entry, key: string): string[] {
  const value = entry[key] ?? [];
  if (!Array.isArray(value) || value.some((one) => typeof one !== 'string')) throw invalid(entry, `${key} must be a list of strings.`);
  return value as string[];
}

/**
 * The content of a file that an entry refers to. It is read here although some files are read again later, so that a mistake is found before
 * the first request, and the message can name the field.
 *
 * @throws ClusterError `kubeconfig`. A value that does not look like a path can be the content itself, so it is not quoted.
 */
export function fileContent(entry: Entry, key: string): Buffer | undefined {
  const path = stringField(entry, key);
  if (path === undefined) return undefined;
  try {
    return readRegularFile(path, MAX_BYTES);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    if (!looksLikePath(path))
      throw invalid(
        entry,
        `${key} must be the path of a file, but its value does not look like one and is not shown. Content belongs into ${key === 'tokenFile' ? 'token' : `${key}-data, as base64`}.`,
      );
    if (error.message === 'it does not exist')
      throw invalid(
        entry,
        `the file ${path} (${key}) does not exist. For a CI runner, embed its content: kubectl config view --flatten --minify.`,
      );
    throw invalid(entry, `could not read the file ${path} (${key}): ${error.message}. Check the path and its permissions.`);
  }
}

/**
 * The content of a field in base64, which can have line breaks.
 *
 * @throws ClusterError `kubeconfig`
 */
export function dataContent(entry: Entry, key: string): Buffer | undefined {
  const data = stringField(entry, key)?.replace(/[\r\n]/g, '');
  if (data === undefined) return undefined;
  if (data.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(data))
    throw invalid(entry, `${key} is not valid base64. Check whether it is complete, or whether it is the content itself.`);
  return Buffer.from(data, 'base64');
}

/** The error for an invalid entry. */
export function invalid(entry: Entry, what: string): ClusterError {
  return new ClusterError('kubeconfig', `The kubeconfig is invalid: in the entry ${quoteName(entry.name)}, ${what}`);
}
