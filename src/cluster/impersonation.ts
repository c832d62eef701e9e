import { isObject } from '../daemonset/json.ts';
import { type Entry, invalid, stringField, stringsField } from './kubeconfig-fields.ts';

/**
 * The impersonation headers of a kubeconfig's user: `as`, `as-uid`, `as-groups`, `as-user-extra` (client-go:
 * impersonatingRoundTripper). Empty if it impersonates no one.
 *
 * @throws ClusterError `kubeconfig` if it impersonates a group, a UID or extra fields without a user.
 */
export function impersonationOf(user: Entry): Record<string, string | string[]> {
  const as = stringField(user, 'as');
  const uid = stringField(user, 'as-uid');
  const groups = stringsField(user, 'as-groups');
  const extra = isObject(user['as-user-extra']) ? user['as-user-extra'] : {};
  const keys = Object.keys(extra);
  if (as === undefined) {
    if (uid !== undefined || groups.length > 0 || keys.length > 0)
      throw invalid(user, 'as-uid, as-groups or as-user-extra is set without as. Set as to the user to impersonate.');
    return {};
  }
  const values = (key: string): string[] => stringsField({ name: user.name, ...extra }, key);
  return {
    'Impersonate-User': as,
    ...(uid !== undefined && { 'Impersonate-Uid': uid }),
    ...(groups.length > 0 && { 'Impersonate-Group': groups }),
    ...Object.fromEntries(keys.map((key) => [`Impersonate-Extra-${headerKey(key)}`, values(key)])),
  };
}

/** A key as part of a header name. Characters that are not allowed there are percent-encoded (client-go: headerKeyEscape). */
function headerKey(key: string): string {
  return [...Buffer.from(key)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9!#$&'*+.^_`|~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}
