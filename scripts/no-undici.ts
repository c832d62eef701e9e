/**
 * Stands in for undici in the bundle. The client library makes a new undici pool for each request; the action sends its
 * requests through node:https instead, and never gets here. A name that an upgrade adds fails the build.
 */
class Unused {
  constructor() {
    throw new Error('undici is not part of this bundle');
  }
}

export { Unused as Agent, Unused as EnvHttpProxyAgent, Unused as ProxyAgent };
export function fetch(): never {
  throw new Error('undici is not part of this bundle');
}
