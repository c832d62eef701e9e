import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, isIP, type Socket } from 'node:net';
import { closed, send } from './send.ts';

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

/** RFC 1928, and RFC 1929 for a user name and password. The proxy resolves the host name, as with kubectl. */
async function connectBySocks(proxy: URL, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host: hostOf(proxy), port: Number(proxy.port || 1080), signal });
  const received = socket.iterator({ destroyOnReturn: false });
  let rest = Buffer.alloc(0);
  const take = async (length: number): Promise<Buffer> => {
    while (rest.length < length) {
      const { value, done } = await received.next();
      if (done) throw closed();
      rest = Buffer.concat([rest, value as Buffer]);
    }
    const taken = rest.subarray(0, length);
    rest = rest.subarray(length);
    return taken;
  };
  try {
    const { username, password } = credentialsOf(proxy);
    const methods = username === '' ? [0] : [0, 2];
    socket.write(Buffer.of(5, methods.length, ...methods));
    const [version, method = 0xff] = await take(2);
    if (version !== 5 || !methods.includes(method)) throw new Error('it does not accept the authentication method');
    if (method === 2) {
      socket.write(Buffer.concat([Buffer.of(1), withLength(username), withLength(password)]));
      if ((await take(2))[1] !== 0) throw new Error('it rejected the user name and password');
    }
    socket.write(Buffer.concat([Buffer.of(5, 1, 0), address(host), Buffer.of(port >> 8, port & 0xff)]));
    const [, reply, , type] = await take(4);
    if (reply !== 0) throw new Error(`it could not connect to ${host}:${port} (SOCKS reply ${reply})`);
    const length = type === 1 ? 4 : type === 4 ? 16 : ((await take(1))[0] ?? 0);
    await take(length + 2);
    await received.return?.();
    if (rest.length > 0) socket.unshift(rest);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** A host as its SOCKS address type and its bytes. */
function address(host: string): Buffer {
  switch (isIP(host)) {
    case 4:
      return Buffer.of(1, ...host.split('.').map(Number));
    case 6: {
      const [head = '', tail = ''] = hostOf(new URL(`http://[${host}]`)).split('::');
      const [first, last] = [head, tail].map((groups) => groups.split(':').filter((group) => group !== '')) as [string[], string[]];
      const zeros = Array<string>(8 - first.length - last.length).fill('0');
      const hex = [...first, ...zeros, ...last].map((group) => group.padStart(4, '0')).join('');
      return Buffer.concat([Buffer.of(4), Buffer.from(hex, 'hex')]);
    }
    default:
      return Buffer.concat([Buffer.of(3), withLength(host)]);
  }
}

function withLength(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

function credentialsOf({ username, password }: URL): { username: string; password: string } {
  return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
}

/** The host of a URL; an IPv6 address without brackets. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}
