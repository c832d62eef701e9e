import { existsSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { Environment } from '../ci/environment.ts';
import { ClusterError } from './cluster.ts';
import { FileError, readRegularFile } from './files.ts';
import { decodeText } from './kubeconfig-yaml.ts';
import { looksLikePath, quotePath } from './quote.ts';

/** The text of a kubeconfig. */
export interface KubeconfigText {
  text: string;
  /** Where it comes from, for messages. */
  origin: string;
  /** The directory that its relative paths refer to; undefined if it is not a file. */
  directory: string | undefined;
}

/** A kubeconfig with hundreds of clusters is smaller. */
const MAX_BYTES = 10 * 1024 * 1024;

/**
 * The texts that an input `kubeconfig` refers to, in the order of precedence.
 *
 * @throws ClusterError `kubeconfig`. The message quotes a value only if it looks like a path.
 */
export function readKubeconfigs(source: string, environment: Environment): KubeconfigText[] {
  if (source === 'auto') return readAuto(environment);
  const path = expandHome(source.trim(), environment);
  if (existsSync(path)) return [readKubeconfig(path)];
  const decoded = decodeBase64(source);
  if (decoded !== undefined) return [{ text: decoded, origin: 'the base64 kubeconfig', directory: undefined }];
  const text = source.replace(/^\uFEFF/, '');
  if (text.includes('\n') || text.startsWith('{')) return [{ text, origin: 'the kubeconfig text', directory: undefined }];
  throw new ClusterError(
    'kubeconfig',
    looksLikePath(path)
      ? `Input kubeconfig: the file ${path} does not exist.`
      : 'Input kubeconfig is not an existing file, YAML or JSON text, or base64 of such text. Set it to one of these, or to "auto" or "in-cluster".',
  );
}

/** A path with `~/`, `$HOME/` or `${HOME}/` at its start, which a shell would expand. */
function expandHome(path: string, environment: Environment): string {
  const [prefix] = /^(?:~|\$HOME|\$\{HOME\})(?=[/\\])/.exec(path) ?? [];
  const home = homeOf(environment);
  return prefix !== undefined && home ? join(home, path.slice(prefix.length)) : path;
}

function homeOf(environment: Environment): string | undefined {
  return environment['HOME'] || environment['USERPROFILE'];
}

function readAuto(environment: Environment): KubeconfigText[] {
  const { KUBECONFIG } = environment;
  if (KUBECONFIG === undefined) {
    const home = homeOf(environment);
    const path = home && join(home, '.kube', 'config');
    if (path && existsSync(path)) return [readKubeconfig(path)];
    throw notFound(`$KUBECONFIG is not set and ${path ? quotePath(path) : '~/.kube/config'} does not exist`);
  }
  const paths = KUBECONFIG.split(delimiter).filter((path) => path.trim() !== '');
  if (paths.length === 0)
    throw notFound(
      '$KUBECONFIG is set but empty. Is the step that sets it skipped, or the secret missing? To use ~/.kube/config, unset it',
    );
  const found = paths.filter((path) => existsSync(path));
  if (found.length > 0) return found.map(readKubeconfig);
  if (!paths.every(looksLikePath))
    throw notFound(
      '$KUBECONFIG is set, but does not look like a list of paths, and is not shown. If it contains the text of a kubeconfig, pass that as the input kubeconfig instead',
    );
  throw notFound(`$KUBECONFIG is ${paths.join(', ')}, which does not exist`);
}

function notFound(why: string): ClusterError {
  return new ClusterError(
    'kubeconfig',
    `Input kubeconfig is "auto", but no kubeconfig was found: ${why}. Set the input kubeconfig (for example to a secret), or run a login action before this step. To use the service account of the runner's pod, set kubeconfig: in-cluster.`,
  );
}

function readKubeconfig(path: string): KubeconfigText {
  try {
    return { text: decodeText(readRegularFile(path, MAX_BYTES)), origin: quotePath(path), directory: dirname(resolve(path)) };
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new ClusterError(
      'kubeconfig',
      `Could not read the kubeconfig ${quotePath(path)}: ${error.message}. Check the path and its permissions.`,
    );
  }
}

/** The text of a kubeconfig in base64, which can have line breaks. */
function decodeBase64(source: string): string | undefined {
  const compact = source.replace(/\s+/g, '');
  if (compact.length < 16 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(compact)) return undefined;
  const decoded = decodeText(Buffer.from(compact, 'base64'));
  return /clusters|apiVersion/.test(decoded) ? decoded : undefined;
}
