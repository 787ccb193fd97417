/** From connections to processes: who is at the other end, as far as this machine can tell. */
import type { Connection, ProcessInfo } from '../core/event.ts';
import { mainOf } from '../workers/main-process.ts';
import { readProcesses } from '../workers/process-table.ts';
import { ownersOfPorts } from '../workers/socket-owners.ts';
import type { Connected } from './context.ts';

export interface NamedConnections {
  readonly connections: readonly Connection[];
  /** Command lines by pid. */
  readonly commands: ReadonlyMap<number, string>;
}

/** Fills in the pid of each connection where its process is on this machine. */
export async function withProcesses(
  run: Pick<Connected, 'redact' | 'database' | 'settings' | 'queue'>,
  connections: readonly Connection[],
  server: 'database' | 'broker',
): Promise<NamedConnections> {
  const remotePort = portOf(server === 'database' ? (run.database?.url ?? '') : brokerUrl(run));
  const pairs = connections.flatMap((connection) =>
    connection.port === null || remotePort === null ? [] : [{ localPort: connection.port, remotePort }],
  );
  const owners = await ownersOfPorts(pairs);
  const anyPid = pairs.length > 0 || connections.some(({ pid }) => pid !== null);
  const processes = anyPid ? await readProcesses(run.redact) : new Map<number, ProcessInfo>();
  const commands = new Map<number, string>();
  const named = connections.map((connection) => {
    // Where there is no port, the queue may have been told the process by the worker itself.
    const pid = connection.port === null ? connection.pid : owners.get(connection.port)?.[0];
    const process = pid == null ? undefined : processes.get(pid);
    if (process !== undefined) commands.set(process.pid, process.command);
    return { ...connection, pid: process?.pid ?? null };
  });
  return { connections: named, commands };
}

export function describeConnections({ connections, commands }: NamedConnections): string {
  const seen = new Set<string>();
  for (const connection of connections) {
    const command = connection.pid === null ? undefined : commands.get(connection.pid);
    seen.add(
      connection.pid === null
        ? `${connection.name || 'unnamed'} at ${connection.address ?? 'a local socket'}${connection.port === null ? '' : `:${connection.port}`}`
        : `pid ${connection.pid}${command === undefined ? '' : ` (${command})`}`,
    );
  }
  return [...seen].join(', ');
}

/** The process to kill for a process that was found by its connection; `null`: it is gone. */
export async function mainProcessOf(
  run: Pick<Connected, 'redact'>,
  pid: number,
): Promise<ProcessInfo | null> {
  return mainOf(pid, await readProcesses(run.redact));
}

function brokerUrl(run: Pick<Connected, 'database' | 'settings'>): string {
  const { queue } = run.settings;
  return queue.kind === 'bullmq' && queue.backend === 'postgres'
    ? (queue.url ?? run.database?.url ?? '')
    : (queue.url ?? '');
}

function portOf(url: string): number | null {
  if (!URL.canParse(url)) return null;
  const { port, protocol } = new URL(url);
  if (port !== '') return Number(port);
  return protocol.startsWith('postgres') ? 5432 : 6379;
}
