import { boolYaml11Tag, CORE_SCHEMA, load, mergeTag, YAMLException } from 'js-yaml';
import { isObject } from '../daemonset/json.ts';
import { ClusterError } from './cluster.ts';

/** As kubectl's parser: YAML 1.1's `yes`, `no`, `on` and `off` are booleans, and `<<` merges. */
const SCHEMA = CORE_SCHEMA.withTags(boolYaml11Tag, mergeTag);
/** A kubeconfig has a few aliases at most. */
const MAX_ALIASES = 100;
/** How deep lists and objects can be nested, with each alias counted as one level. */
const MAX_DEPTH = 30;
/** The values in a kubeconfig, with each alias counted as a copy. */
const MAX_VALUES = 1_000_000;

/** The text in the bytes of a file: UTF-8, or UTF-16 with a byte order mark, as PowerShell writes it. */
export function decodeText(bytes: Buffer): string {
  const [first, second] = bytes;
  const encoding = first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  // The decoder removes a byte order mark.
  return new TextDecoder(encoding).decode(bytes);
}

/**
 * The first document of a kubeconfig's text, as kubectl reads it: the last of duplicate keys wins, and other documents are ignored.
 *
 * @param origin where the text comes from, for the message.
 * @throws ClusterError `kubeconfig`. The message never quotes the text.
 */
export function parseKubeconfig(text: string, origin: string): Record<string, unknown> {
  const refuse = (what: string): ClusterError => new ClusterError('kubeconfig', `Input kubeconfig: ${origin} ${what}`);
  let config: unknown;
  try {
    config = load(firstDocument(text), { schema: SCHEMA, json: true, maxAliases: MAX_ALIASES, maxDepth: MAX_DEPTH });
  } catch (error) {
    // The exception's own message quotes the document, secrets included.
    throw refuse(`is not valid YAML${placeOf(error)}. Check whether it is complete and still has its line breaks and indentation.`);
  }
  if (countValues(config) > MAX_VALUES) throw refuse('expands to too many values by its YAML aliases. Remove the aliases.');
  if (!isObject(config) || !('clusters' in config)) throw refuse('is not a kubeconfig: it has no "clusters".');
  const { apiVersion = 'v1', kind = 'Config' } = config;
  if ((apiVersion ?? 'v1') !== 'v1' || (kind ?? 'Config') !== 'Config')
    throw refuse('is not a kubeconfig: its apiVersion must be v1, and its kind must be Config.');
  return config;
}

/** The text up to the end of its first YAML document. */
function firstDocument(text: string): string {
  const start = /^(?:[ \t]*(?:[#%].*)?\r?\n)*---(?=\s)/.exec(text)?.[0].length ?? 0;
  const end = /^(?:---|\.\.\.)(?=\s|$)/m.exec(text.slice(start));
  return end ? text.slice(0, start + end.index) : text;
}

/** The line of a syntax error, and the reason, unless it quotes the text: in `token: *secret`, YAML takes the token for an alias. */
function placeOf(error: unknown): string {
  if (!(error instanceof YAMLException) || !error.mark) return '';
  const reason = /^[\w ,()-]+$/.test(error.reason) ? `: ${error.reason}` : '';
  return ` (line ${error.mark.line + 1}${reason})`;
}

/** The number of values, with shared ones counted each time. */
function countValues(root: unknown): number {
  const known = new Map<object, number>();
  const count = (value: unknown): number => {
    if (typeof value !== 'object' || value === null) return 1;
    const before = known.get(value);
    if (before !== undefined) return before;
    // An alias inside of its own anchor has no end.
    known.set(value, Number.POSITIVE_INFINITY);
    const sum = Object.values(value).reduce((total: number, one) => total + count(one), 1);
    known.set(value, sum);
    return sum;
  };
  return count(root);
}
