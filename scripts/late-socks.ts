/** Replaces socks in the bundle. The real one is in a separate file, loaded only if a kubeconfig names a SOCKS proxy. */
import type * as socks from 'socks';

export const SocksClient: Pick<typeof socks.SocksClient, 'createConnection'> = {
  createConnection: (options) => (require('./socks.cjs') as typeof socks).SocksClient.createConnection(options),
};
