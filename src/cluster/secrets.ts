import { existsSync, readFileSync } from 'node:fs';

/** Shorter values are not masked: a mask of "admin" would blank half of the log. */
const SHORTEST = 6;

/**
 * Every secret leaf of a kubeconfig user, as it may turn up in text: itself, its base64, and what its
 * base64 holds. Certificates are public, and no secrets.
 */
export function secretsOf(user: Record<string, unknown>): string[] {
  const leaves: string[] = [];
  for (const key of ['token', 'password', 'client-key-data']) {
    if (typeof user[key] === 'string') leaves.push(user[key]);
  }
  for (const key of ['tokenFile', 'client-key']) {
    const path = user[key];
    if (typeof path === 'string' && existsSync(path)) leaves.push(readFileSync(path, 'utf8'));
  }
  const { exec } = user as { exec?: { env?: { value?: unknown }[] | null } };
  for (const variable of exec?.env ?? []) if (typeof variable?.value === 'string') leaves.push(variable.value);
  return masksFor(leaves);
}

/** All forms of secrets to mask, each at least 6 characters. The runner masks line by line, so a PEM is given line by line. */
export function masksFor(leaves: string[]): string[] {
  const forms = leaves.flatMap((leaf) => {
    const decoded = /^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(leaf) ? Buffer.from(leaf, 'base64').toString('utf8') : '';
    const readable = /^[\t\n\r\x20-\x7e]+$/.test(decoded) ? decoded : '';
    return [leaf, Buffer.from(leaf).toString('base64'), ...lines(leaf), ...lines(readable)];
  });
  return [...new Set(forms.map((form) => form.trim()))].filter((form) => form.length >= SHORTEST && !form.includes('\n'));
}

/** The lines of a text, without the armour of a PEM, which is no secret. */
function lines(value: string): string[] {
  return value.split(/\r?\n/).filter((line) => !line.startsWith('-----'));
}
