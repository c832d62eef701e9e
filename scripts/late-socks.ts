/** Stands in for socks-proxy-agent in the bundle: it has a file of its own, which is loaded only where a kubeconfig names such a proxy. */
import type * as socks from 'socks-proxy-agent';

/** Called with `new`, it gives the real one. */
export function SocksProxyAgent(...parameters: ConstructorParameters<typeof socks.SocksProxyAgent>): socks.SocksProxyAgent {
  const { SocksProxyAgent } = require('./socks.cjs') as typeof socks;
  return new SocksProxyAgent(...parameters);
}
