/** Text that a shell takes as it stands. */
const PLAIN = /^[A-Za-z0-9_/.][A-Za-z0-9_%+=:,./@-]*$/;

/**
 * A name as one word of a command to copy into a POSIX shell: in single quotes if it needs them. Anyone who can write an object in the cluster
 * can write anything into its labels and annotations. A name that is unknown, or that a program would take for an option, is a placeholder.
 */
export function shellQuote(name: string): string {
  const word = name.replace(/\p{Cc}/gu, '');
  if (PLAIN.test(word)) return word;
  return word === '' || word.startsWith('-') ? 'NAME' : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
