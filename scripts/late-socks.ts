/** Replaces socks-proxy-agent in the bundle. The real one is in a separate file, loaded only if a kubeconfig names a SOCKS proxy. */
import type * as socks from 'socks-proxy-agent';

/** With `new`, returns an instance of the real class. */
export function SocksProxyAgent(...parameters: ConstructorParameters<typeof socks.SocksProxyAgent>): socks.SocksProxyAgent {
  const { SocksProxyAgent } = require('./socks.cjs') as typeof socks;
  return new SocksProxyAgent(...parameters);
}
