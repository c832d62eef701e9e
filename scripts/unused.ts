/**
 * Stands in for what the client library imports and this action never gets to: its second HTTP stack, undici, as requests go through
 * node:https; SOCKS under that; the auth-providers that Kubernetes removed, which are refused before; its way to start credential
 * plugins, in whose place is cluster/exec-plugin.ts; and WSL. A name that an upgrade adds fails the build.
 */
function unused(): never {
  throw new Error('this is not part of the bundle');
}

class Unused {
  constructor() {
    unused();
  }
}

/** The library has one of each in its list, and asks each of them whether it is meant. */
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
  Unused as ProxyAgent,
  Unused as SocksClient,
  unused as fetch,
};
/** node:child_process */
export default { spawnSync: unused };
