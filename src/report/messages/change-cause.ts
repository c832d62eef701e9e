/** Flags whose values may be secret: credentials, and what ends up in a Secret, a variable or a template. */
const SECRET_FLAG =
  /^--?(.*(token|passw|secret|credential|api-?key|private-?key|client-key|auth|cookie|header).*|from-literal|patch|env|data|p)$/i;
/** Variables that are secret by their names. */
const SECRET_NAME = /(token|passw|pwd|secret|credential|api_?-?key|private_?-?key|auth)/i;

const HIDDEN = '<hidden>';

/**
 * A change-cause without the values that may be secret. With `--record`, kubectl writes its own command line there: the arguments first, then
 * every flag as `--name=value`, with nothing quoted. So a value ends only where the next flag or variable begins.
 */
export function changeCauseText(cause: string, showValues: boolean): string {
  if (showValues) return cause;
  const isRecorded = /\s--record(=|\s|$)/.test(cause);
  const setsVariables = /\bset\s+env\b/.test(cause);
  const value = isRecorded ? String.raw`[\s\S]*?(?=\s--?[a-z]|\s[\w.-]+=|$)` : String.raw`(?:\{[\s\S]*\}|"[^"]*"?|'[^']*'?|\S+)`;
  const flagValue = isRecorded ? String.raw`[\s\S]*?(?=\s--[a-z]|$)` : value;
  return cause
    .replace(
      new RegExp(String.raw`(^|\s)(--?[a-z][\w.-]*)(=|\s+)(?!-)(${flagValue})`, 'gi'),
      (all, before: string, flag: string, sign: string, text: string) =>
        SECRET_FLAG.test(flag) && text !== '' ? `${before}${flag}${sign}${HIDDEN}` : all,
    )
    .replace(new RegExp(String.raw`(^|[\s,;"'])([A-Za-z_][\w.-]*)=(${value})`, 'g'), (all, before: string, name: string, text: string) =>
      (setsVariables || SECRET_NAME.test(name)) && text !== '' ? `${before}${name}=${HIDDEN}` : all,
    )
    .replace(/:\/\/[^\s/@]+@/g, `://${HIDDEN}@`);
}
