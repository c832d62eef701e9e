/**
 * Replaces what the client library imports and this action never uses:
 *
 * - undici, its second HTTP stack, and its proxy agents: requests use node:https, and cluster/tunnel.ts connects to proxies.
 * - The auth providers that Kubernetes removed: the action refuses them before.
 * - Its way to start credential plugins: cluster/exec-plugin.ts starts them.
 * - Support for WSL.
 *
 * If an upgrade of the library imports another name, the build fails.
 */
function unused(): never {
  throw new Error('this is not part of the bundle');
}

class Unused {
  constructor() {
    unused();
  }
}

/** The library creates one of each provider, and asks each whether it is responsible. */
class NoProvider {
  isAuthProvider(): boolean {
    return false;
  }
}

export {
  NoProvider as AzureAuth,
  NoProvider as ExecAuth,
  NoProvider as GoogleCloudPlatformAuth,
  NoProvider as OpenIDConnectAuth,
  Unused as Agent,
  Unused as EnvHttpProxyAgent,
  Unused as HttpProxyAgent,
  Unused as HttpsProxyAgent,
  Unused as ProxyAgent,
  Unused as SocksClient,
  Unused as SocksProxyAgent,
  unused as fetch,
};
/** node:child_process */
export default { spawnSync: unused };
