/**
 * What a message may quote. A value that is not what it should be can be a secret in the wrong place: the text of a kubeconfig where a path
 * belongs, a token where a name belongs. Such a value is described, and never quoted.
 */

/** The longest value that is quoted. */
const MAX_LENGTH = 200;
/** The shortest run of letters and digits that counts as random. */
const RANDOM_RUN = 24;

export const NOT_SHOWN = '(not shown)';

/** Whether a value looks like a path: short, with characters of a path, and not like a secret. */
export function looksLikePath(value: string): boolean {
  return (
    value.length <= MAX_LENGTH &&
    /^[\p{L}\p{N}_.~/\\:@ (),+-]+$/u.test(value) &&
    (/[/\\]/.test(value) || /^[^.]+(\.[^.]+)*\.[a-z]{1,12}$/i.test(value)) &&
    !/:\/\/|:[^/\\]*@/.test(value) &&
    !looksLikeSecret(value)
  );
}

/** A path for a message. */
export function quotePath(path: string): string {
  return looksLikePath(path) ? path : NOT_SHOWN;
}

/** A name for a message, in quotes: of a context, a cluster, a user, a namespace, a program. */
export function quoteName(name: string): string {
  const looksLikeName = name.length <= MAX_LENGTH && /^[\p{L}\p{N}_.:/\\@+ =,()~*%#-]+$/u.test(name) && !looksLikeSecret(name);
  return looksLikeName ? `"${name}"` : NOT_SHOWN;
}

/** A JSON web token, a PEM block, a bootstrap token of Kubernetes, or a long run of random characters as in base64. */
export function looksLikeSecret(value: string): boolean {
  if (/eyJ[\w-]{10}|-----BEGIN|^[a-z0-9]{6}\.[a-z0-9]{16}$/.test(value)) return true;
  const isMixed = (run: string): boolean => run.length >= RANDOM_RUN && /[a-z]/.test(run) && /[A-Z]/.test(run) && /\d/.test(run);
  // Base64 can contain slashes, as a path does. In a path, few letters follow one of the other case or a digit.
  return (
    value.split(/[^A-Za-z0-9+=]/).some(isMixed) ||
    value.split(/[^A-Za-z0-9+=/]/).some((run) => isMixed(run) && changes(run) > 0.4 * run.length)
  );
}

/** How often the kind of a character changes: small letter, capital letter, digit. */
function changes(text: string): number {
  return text.match(/[a-z](?=[A-Z\d])|[A-Z](?=[a-z\d])|\d(?=[A-Za-z])/g)?.length ?? 0;
}
