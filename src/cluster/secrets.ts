import { existsSync, readFileSync, statSync } from 'node:fs';

/** Shorter values are not masked: masking "admin" would make the log unreadable. */
const SHORTEST = 6;

/** The secrets that must never be printed. Some become known only later: a plugin's token, a rotated token file. */
export class Secrets {
  readonly #forms = new Set<string>();
  #onNew: (forms: string[]) => void = () => {};

  /** Adds secrets, in all the forms in which they can occur. */
  add(leaves: readonly string[]): void {
    const fresh = masksFor(leaves).filter((form) => !this.#forms.has(form));
    for (const form of fresh) this.#forms.add(form);
    if (fresh.length > 0) this.#onNew(fresh);
  }

  /** Passes every form to a callback that masks it: the known ones immediately, later ones when they are added. */
  tell(onNew: (forms: string[]) => void): void {
    this.#onNew = onNew;
    if (this.#forms.size > 0) onNew([...this.#forms]);
  }

  /** The text with all secrets replaced. An API server or a plugin can echo what it was given. */
  hide(text: string): string {
    const longestFirst = [...this.#forms].sort((a, b) => b.length - a.length);
    return longestFirst.reduce((rest, form) => rest.replaceAll(form, '***'), text);
  }
}

/** Every secret value of a kubeconfig user. Certificates are public. */
export function secretsOf(user: Record<string, unknown>): string[] {
  const leaves: string[] = [];
  for (const key of ['token', 'password', 'client-key-data']) {
    if (typeof user[key] === 'string') leaves.push(user[key]);
  }
  // Basic authentication sends username and password together.
  if (typeof user['password'] === 'string') leaves.push(`${String(user['username'] ?? '')}:${user['password']}`);
  for (const key of ['tokenFile', 'client-key']) {
    const path = user[key];
    if (typeof path === 'string' && existsSync(path) && statSync(path).isFile()) leaves.push(readFileSync(path, 'utf8'));
  }
  const { exec } = user as { exec?: { env?: unknown } | null };
  const variables: unknown[] = Array.isArray(exec?.env) ? exec.env : [];
  for (const variable of variables) {
    const { value } = (variable ?? {}) as { value?: unknown };
    if (typeof value === 'string') leaves.push(value);
  }
  return leaves;
}

/** The password in a URL, encoded and decoded. */
export function passwordIn(url: string): string[] {
  const { password = '' } = URL.canParse(url) ? new URL(url) : {};
  return password === '' ? [] : [password, decoded(password)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * All forms of secrets to mask: the values, their base64, their base64-decoded content, and their URL-encoded form; each at least
 * 6 characters long. The runner masks line by line, so a PEM is split into lines.
 */
export function masksFor(leaves: readonly string[]): string[] {
  const forms = leaves.flatMap((leaf) => {
    const held = /^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(leaf) ? Buffer.from(leaf, 'base64').toString('utf8') : '';
    const readable = /^[\t\n\r\x20-\x7e]+$/.test(held) ? held : '';
    const parts = [leaf, ...lines(leaf), ...lines(readable)];
    const inUrl = parts.map((part) => encodeURIComponent(part.trim().toWellFormed()));
    return [...parts, ...inUrl, Buffer.from(leaf).toString('base64'), Buffer.from(leaf.trim()).toString('base64')];
  });
  return [...new Set(forms.map((form) => form.trim()))].filter((form) => form.length >= SHORTEST && !/[\r\n]/.test(form));
}

/** The lines of a text, without PEM headers and footers, which are not secret. */
function lines(value: string): string[] {
  return value.split(/\r?\n|\r/).filter((line) => !line.startsWith('-----'));
}
