import { isObject } from '../daemonset/json.ts';
import { NOT_SECRET_VARIABLES } from './known-plugins.ts';
import { looksLikePath, looksLikeSecret } from './quote.ts';

/** Fields of a user that are not secret. */
const PUBLIC = new Set(['name', 'username', 'client-certificate-data', 'as', 'as-uid', 'as-groups', 'as-user-extra', 'extensions', 'exec']);
/** Fields of a user that are paths, unless someone put the content itself there. */
const PATHS = new Set(['tokenFile', 'client-key', 'client-certificate']);
/** Names of flags and variables whose value is a secret; not those whose value is a path or a URL. */
const SECRET_NAME = /secret|token|passw|pwd|key|credential|assertion|\bpat\b/i;
const NOT_SECRET_NAME = /[-_](file|path|dir|storage|url|uri|id|name|type|enabled)$/i;

/** Every secret value of a kubeconfig: of all its users, and in the URLs of its clusters. The kubeconfig need not be valid. */
export function secretsIn(config: Record<string, unknown>): string[] {
  const bodies = (list: string, key: string): Record<string, unknown>[] =>
    listOf(config[list])
      .map((entry) => (isObject(entry) ? entry[key] : undefined))
      .filter((one) => isObject(one));
  const urls = bodies('clusters', 'cluster').flatMap((cluster) => [cluster['server'], cluster['proxy-url']]);
  return [...bodies('users', 'user').flatMap(secretsOf), ...urls.filter((url) => typeof url === 'string').flatMap(credentialsIn)];
}

/** Every secret value of a kubeconfig's user, without the content of files. Certificates are public. */
export function secretsOf(user: Record<string, unknown>): string[] {
  const leaves: string[] = [];
  for (const [key, value] of Object.entries(user)) {
    if (!PUBLIC.has(key)) leaves.push(...leavesOf(value).filter((leaf) => !PATHS.has(key) || !looksLikePath(leaf)));
  }
  // Basic authentication sends username and password together.
  if (typeof user['password'] === 'string') leaves.push(`${String(user['username'] ?? '')}:${user['password']}`);
  const { exec } = user;
  if (isObject(exec)) leaves.push(...secretsOfPlugin(exec));
  return leaves;
}

function secretsOfPlugin({ command, args, env }: Record<string, unknown>): string[] {
  const variables = listOf(env)
    .filter((one) => isObject(one))
    .filter(({ name }) => !NOT_SECRET_VARIABLES.has(String(name)))
    .flatMap(({ value }) => leavesOf(value));
  const secretCommand = typeof command === 'string' && looksLikeSecret(command) ? [command] : [];
  return [...variables, ...secretCommand, ...secretsInArguments(listOf(args).filter((one) => typeof one === 'string'))];
}

/** The secrets in the arguments of a program: by the name of their flag or variable, in URLs, and those that look like one. */
export function secretsInArguments(args: readonly string[]): string[] {
  return args.flatMap((argument, index) => {
    const [, name = '', value = ''] = /^([\w-]+)=(.*)$/s.exec(argument) ?? [];
    if (isSecretName(name)) return [value];
    const flag = args[index - 1] ?? '';
    if (/^--?[\w-]+$/.test(flag) && isSecretName(flag) && !argument.startsWith('-')) return [argument];
    const candidate = value || argument;
    return [...(looksLikeSecret(candidate) ? [candidate] : []), ...(candidate.includes('://') ? credentialsIn(candidate) : [])];
  });
}

function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !NOT_SECRET_NAME.test(name);
}

/**
 * The credentials in a URL, encoded and decoded, and as basic authentication sends them. A user name without a password is a token. Also
 * those of a URL that is not valid.
 */
export function credentialsIn(url: string): string[] {
  const pattern = URL.canParse(url) ? /^[^/?#]*\/\/([^/?#]*)@/ : /^[^/?#]*\/\/(.*)@/s;
  const [, authority] = pattern.exec(url) ?? [];
  if (authority === undefined || authority === '') return [];
  const colon = authority.indexOf(':');
  const [username, password] = colon < 0 ? [authority, ''] : [authority.slice(0, colon), authority.slice(colon + 1)];
  const secret = password === '' ? username : password;
  const [user, pass] = [decoded(username), decoded(password)];
  return [...new Set([secret, decoded(secret), authority, `${user}:${pass}`])];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The strings and numbers in a value. */
function leavesOf(value: unknown): string[] {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leavesOf) : [];
}
