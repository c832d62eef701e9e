import type { KeyPair } from './certificates.ts';

/**
 * A self-contained kubeconfig, which can be passed on as text.
 *
 * @param serverName the name in the certificate of the server, if it is not that of the URL.
 */
export function kubeconfig(server: string, authority: KeyPair, user: string, client: KeyPair, serverName?: string): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return `apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster:
    server: ${server}${serverName === undefined ? '' : `\n    tls-server-name: ${serverName}`}
    certificate-authority-data: ${base64(authority.certificate)}
users:
- name: ${user}
  user:
    client-certificate-data: ${base64(client.certificate)}
    client-key-data: ${base64(client.key)}
contexts:
- name: testbed
  context:
    cluster: testbed
    user: ${user}
current-context: testbed
`;
}
