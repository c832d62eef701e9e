/**
 * Stands in for what the client library imports and this action never gets to: its second HTTP stack, undici, as requests go through
 * node:https; SOCKS under that; and the auth-providers that Kubernetes removed, which are refused before. A name that an upgrade
 * adds fails the build.
 */
class Unused {
  constructor() {
    throw new Error('this is not part of the bundle');
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
  NoProvider as GoogleCloudPlatformAuth,
  NoProvider as OpenIDConnectAuth,
  Unused as Agent,
  Unused as EnvHttpProxyAgent,
  Unused as ProxyAgent,
  Unused as SocksClient,
};
export function fetch(): never {
  throw new Error('this is not part of the bundle');
}
