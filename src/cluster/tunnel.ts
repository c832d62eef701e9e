import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, isIP, type Socket } from 'node:net';
import { send } from './send.ts';

/** A connection through a proxy that could not be opened. The request was not sent. `proxy` has no credentials. */
export class ProxyError extends Error {
  readonly proxy: string;
  constructor(proxy: string, cause: unknown) {
    super(`the proxy ${proxy} failed: ${(cause as Error).message}`, { cause });
    this.name = 'ProxyError';
    this.proxy = proxy;
  }
}

/**
 * Opens a connection to a host through a proxy: `http`, `https` (both by CONNECT) or `socks5`. Aborting the signal closes everything
 * that was opened.
 *
 * @throws ProxyError, or the signal's reason.
 */
export async function openTunnel(proxyUrl: string, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const proxy = new URL(proxyUrl);
  try {
    return await (proxy.protocol.startsWith('socks')
      ? connectBySocks(proxy, host, port, signal)
      : connectByHttp(proxy, host, port, signal));
  } catch (error) {
    signal.throwIfAborted();
    throw new ProxyError(`${proxy.protocol}//${proxy.host}`, error);
  }
}

/** RFC 9110, section 9.3.6. */
async function connectByHttp(proxy: URL, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const secure = proxy.protocol === 'https:';
  const target = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const { username, password } = credentialsOf(proxy);
  const request = (secure ? httpsRequest : httpRequest)({
    host: hostOf(proxy),
    port: proxy.port || (secure ? 443 : 80),
    method: 'CONNECT',
    path: target,
    agent: false,
    rejectUnauthorized: true,
    headers: {
      Host: target,
      ...(username !== '' && { 'Proxy-Authorization': `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }),
    },
  });
  const { socket, statusCode = 0, statusMessage } = await send(request, undefined, signal);
  if (statusCode >= 200 && statusCode < 300) return socket;
  socket.destroy();
  throw new Error(`it returned ${statusCode} ${statusMessage} for CONNECT ${target}`);
}

/** Through SOCKS 5. The proxy resolves the host name, as with kubectl. The library is loaded only here. */
async function connectBySocks(proxy: URL, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const { SocksClient } = await import('socks');
  const at = { host: hostOf(proxy), port: Number(proxy.port || 1080) };
  const socket = connect({ ...at, signal });
  try {
    await once(socket, 'connect', { signal });
    const { username, password } = credentialsOf(proxy);
    await SocksClient.createConnection({
      command: 'connect',
      destination: { host, port },
      existing_socket: socket,
      proxy: { ...at, type: 5, ...(username !== '' && { userId: username, password }) },
    });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function credentialsOf({ username, password }: URL): { username: string; password: string } {
  return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
}

/** The host of a URL; an IPv6 address without brackets. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}
