import { BlockList, isIP } from 'node:net';
import type { Environment } from '../ci/environment.ts';

/**
 * The proxy that the environment sets for a server: `HTTPS_PROXY` for https, `HTTP_PROXY` for http. Undefined for a direct
 * connection: without such a variable, for hosts in `NO_PROXY`, and for loopback addresses. Lowercase names are used if the uppercase
 * ones are not set (as in golang.org/x/net/http/httpproxy, which kubectl uses).
 */
export function proxyFor(server: string, environment: Environment): string | undefined {
  const { protocol, hostname, port } = new URL(server);
  const scheme = protocol.slice(0, -1);
  const of = (name: string): string => environment[name.toUpperCase()] || environment[name.toLowerCase()] || '';
  const proxy = of(`${scheme}_proxy`);
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (proxy === '' || isLoopback(host)) return undefined;
  const spared = of('no_proxy')
    .split(',')
    .map((rule) => rule.trim().toLowerCase())
    .some((rule) => rule !== '' && matches(rule, host, port || (scheme === 'https' ? '443' : '80')));
  if (spared) return undefined;
  return /^[a-z0-9]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/** Whether a value is the URL of a proxy. */
export function isProxy(url: string): boolean {
  return URL.canParse(url) && /^(https?|socks5h?):$/.test(new URL(url).protocol) && new URL(url).hostname !== '';
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Whether an entry of `NO_PROXY` matches a host. It is `*`, an address, a CIDR or a domain; an address or a domain can have a port. */
function matches(rule: string, host: string, port: string): boolean {
  if (rule === '*') return true;
  const family = isIP(host);
  const [network = '', bits] = rule.split('/');
  if (bits !== undefined && isIP(network)) return family !== 0 && inNetwork(network, Number(bits), host);
  const [, bracketed, plain, only] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(rule) ?? [];
  const name = bracketed ?? plain ?? rule;
  if (only !== undefined && only !== port) return false;
  if (family !== 0) return name === host;
  const domain = name.replace(/^\*(?=\.)/, '');
  // "example.com" matches itself and its subdomains, ".example.com" only its subdomains.
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

function inNetwork(network: string, bits: number, host: string): boolean {
  const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
  const list = new BlockList();
  try {
    list.addSubnet(network, bits, family(network));
  } catch {
    return false;
  }
  return list.check(host, family(host));
}
