/**
 * Replaces what libraries import and this action never uses. Of the Kubernetes client:
 *
 * - undici, its second HTTP stack, and its proxy agents: requests use node:https, and cluster/tunnel.ts connects to proxies.
 * - The auth providers that Kubernetes removed: the action refuses them before.
 * - Its way to start credential plugins: cluster/exec-plugin.ts starts them.
 * - Support for WSL.
 *
 * Of @actions/github in dist/octokit.cjs: undici, its HTTP client, the context (it is in the main bundle), and a method for each endpoint.
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

/** The plugin with a method for each of GitHub's endpoints. */
const noMethods = (): object => ({});

/** @actions/github asks for an agent, and Octokit gets a `fetch` from github/fetch.ts instead. */
class NoAgent {
  getAgent(): undefined {}
  getAgentDispatcher(): undefined {}
}

/** The main bundle has the context of the run. */
class NoContext {}

export {
  NoAgent as HttpClient,
  NoContext as Context,
  NoProvider as AzureAuth,
  NoProvider as ExecAuth,
  NoProvider as GoogleCloudPlatformAuth,
  NoProvider as OpenIDConnectAuth,
  noMethods as restEndpointMethods,
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
