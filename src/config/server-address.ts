/** Where a server is, by its URL: for people to read, and to keep away from machines that are not this one. */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

const DEFAULT_PORTS: Readonly<Record<string, string>> = {
  postgres: '5432',
  redis: '6379',
  rediss: '6379',
  amqp: '5672',
  amqps: '5671',
  http: '80',
  https: '443',
};

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** The addresses of a name. Throws where there are none. */
type Resolve = (host: string) => Promise<readonly string[]>;

/**
 * `host:port/database` without credentials or parameters; for a Unix socket its path in the host's place.
 * What cannot be read as a URL is not repeated, as it may hold a password.
 */
export function describeUrl(url: string): string {
  if (url.startsWith('/')) return url;
  const server = readServer(url);
  if (server === null) return 'a URL that cannot be read';
  const database = server.path === '/' ? '' : server.path;
  if (server.scheme === 'unix') return database;
  const host = server.hosts[0] ?? 'localhost';
  const port = server.port === '' ? (DEFAULT_PORTS[server.scheme] ?? '') : server.port;
  return `${host}${port === '' ? '' : `:${port}`}${database}`;
}

/**
 * Whether a server is on this machine, as far as its address proves it: a Unix socket, `localhost` and what ends in
 * `.localhost`, a loopback address, or a name all of whose addresses are loopback addresses. Every other address,
 * private ones included, may be another machine's and counts as one; so does a name that cannot be resolved.
 */
export async function isLocalUrl(url: string, resolve: Resolve = resolveBySystem): Promise<boolean> {
  if (url.startsWith('/')) return true;
  const server = readServer(url);
  if (server === null) return false;
  if (server.scheme === 'unix') return true;
  // A host in the parameters may replace the one in its place or not, depending on who reads it: all must be local.
  for (const host of server.hosts) {
    if (!(await isLocalHost(host, resolve))) return false;
  }
  return true;
}

async function isLocalHost(host: string, resolve: Resolve): Promise<boolean> {
  if (host.startsWith('/')) return true;
  const name = host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  if (isIP(name) !== 0) return isLoopback(name);
  try {
    const addresses = await resolve(name);
    return addresses.length > 0 && addresses.every(isLoopback);
  } catch {
    return false;
  }
}

function isLoopback(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return LOOPBACK.check(address, 'ipv4');
    case 6:
      return LOOPBACK.check(address, 'ipv6');
    default:
      return false;
  }
}

interface Server {
  readonly scheme: string;
  /** Empty where the URL names none: the reader's own default, a socket or loopback. */
  readonly hosts: readonly string[];
  readonly port: string;
  readonly path: string;
}

function readServer(url: string): Server | null {
  const complete = url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/?#]*@)(?=[:/?#]|$)/i, '$1localhost');
  if (!URL.canParse(complete)) return null;
  const parsed = new URL(complete);
  try {
    const named = parsed.searchParams.getAll('host');
    const hosts = [...named, decodeURIComponent(parsed.hostname)].filter((host) => host !== '');
    return {
      scheme: parsed.protocol.slice(0, -1),
      hosts: hosts.flatMap((host) => host.split(',')),
      port: parsed.port,
      path: decodeURIComponent(parsed.pathname),
    };
  } catch {
    return null;
  }
}

async function resolveBySystem(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}
