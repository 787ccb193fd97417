/**
 * Which process of this machine is at the client's end of a TCP connection. A server tells the port that a client
 * connects from (`pg_stat_activity.client_port`, `CLIENT LIST`); the system tells who has that socket open. A
 * connection over a Unix socket has no port and can't be traced; a client in a container of its own, whose network is
 * not this one, isn't found.
 */
import { readFileSync } from 'node:fs';
import { linuxSocketOwners } from './linux-processes.ts';
import { readMacConnections } from './macos-processes.ts';
import { supportedPlatform } from './platform.ts';

/** A connection as its client sees it: its own port, and the server's. */
export interface PortPair {
  readonly localPort: number;
  readonly remotePort: number;
}

/**
 * The processes at the client's end, by the client's port, in ascending order: more than one where the socket was
 * inherited by a fork. Ports that nobody (who may be looked into) has open are absent.
 * Throws a `UserError` where this system cannot tell.
 */
export async function ownersOfPorts(
  ports: readonly PortPair[],
): Promise<ReadonlyMap<number, readonly number[]>> {
  if (supportedPlatform() === 'linux') return ownersOnLinux(ports);
  const connections = await readMacConnections();
  return ownersBy(ports, (pair) =>
    connections.filter((connection) => isPair(connection, pair)).map((connection) => connection.pid),
  );
}

function ownersOnLinux(ports: readonly PortPair[]): ReadonlyMap<number, readonly number[]> {
  if (ports.length === 0) return new Map();
  const sockets = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => parseSockets(readOrEmpty(path)));
  const inodes = new Map(ports.map((pair) => [pair, inodesOf(sockets, pair)]));
  const owners = linuxSocketOwners(new Set([...inodes.values()].flat()));
  return ownersBy(ports, (pair) => (inodes.get(pair) ?? []).flatMap((inode) => owners.get(inode) ?? []));
}

export interface TcpSocket extends PortPair {
  readonly loopback: boolean;
  readonly inode: string;
}

/** Lines of /proc/net/tcp and tcp6 (proc(5)); addresses are hexadecimal words in the machine's byte order. */
export function parseSockets(text: string): readonly TcpSocket[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/u);
    const [remoteAddress = '', remotePort] = (fields[2] ?? '').split(':');
    const localPort = fields[1]?.split(':')[1];
    const inode = fields[9];
    // A socket without an inode is nobody's any more (TIME_WAIT).
    if (localPort === undefined || remotePort === undefined || inode === undefined || inode === '0')
      return [];
    const loopback = /^[0-9A-F]{6}7F$|^0{24}01000000$|^0{16}FFFF0000[0-9A-F]{6}7F$/u.test(remoteAddress);
    return [{ localPort: parseInt(localPort, 16), remotePort: parseInt(remotePort, 16), loopback, inode }];
  });
}

/** Two ports name a connection of this machine to itself; where other machines' servers match too, it is the former. */
function inodesOf(sockets: readonly TcpSocket[], pair: PortPair): readonly string[] {
  const matches = sockets.filter((socket) => isPair(socket, pair));
  const local = matches.filter((socket) => socket.loopback);
  return (local.length > 0 ? local : matches).map((socket) => socket.inode);
}

function ownersBy(
  ports: readonly PortPair[],
  ownersOf: (pair: PortPair) => readonly number[],
): ReadonlyMap<number, readonly number[]> {
  const entries = ports.map(
    (pair) => [pair.localPort, [...new Set(ownersOf(pair))].sort((a, b) => a - b)] as const,
  );
  return new Map(entries.filter(([, pids]) => pids.length > 0));
}

function isPair(left: PortPair, right: PortPair): boolean {
  return left.localPort === right.localPort && left.remotePort === right.remotePort;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Without IPv6 there is no tcp6.
    return '';
  }
}
