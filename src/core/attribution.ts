/**
 * Which incarnation of the worker made a write.
 *
 * 1. `application_name`: workers that the harness starts get `PGAPPNAME=verify-restart#<incarnation>`, which libpq and
 *    node-postgres honour. A worker that sets its own name hides this.
 * 2. The process at the other end of the connection, where it is on this machine: it belongs to the tree of an
 *    incarnation that was recorded.
 * 3. The connection itself: the one that wrote before the strike is the old worker's for as long as it lives (a
 *    connection never changes its process); one that began after the old worker was gone is a new worker's. The
 *    begin is the server's time, related to the harness's by the measured offset and judged only outside of its
 *    uncertainty.
 *
 * 4. Absence: where the writer is not known at all (polling) or a pooler stands between, but every process of the old
 *    worker was proved gone, what is written after that is not the old worker's.
 *
 * What none of them decides is `null`: unattributed, and said so; it proves nothing.
 */
import type { EventOf, Writer } from './event.ts';
import { first, last, type History, type RowVersion } from './history.ts';

export type AttributionMeans = 'application-name' | 'process' | 'connection' | 'absence';

export interface Attribution {
  readonly incarnation: number;
  readonly by: AttributionMeans;
}

export const APPLICATION_NAME_PREFIX = 'verify-restart#';

/** One connection for good: a backend pid is used again, a pid with its start is not. */
export function connectionOf(writer: Pick<Writer, 'backendPid' | 'backendStartMs'>): string {
  return `${writer.backendPid}@${writer.backendStartMs ?? 'unknown'}`;
}

export function incarnationOfName(applicationName: string): number | null {
  if (!applicationName.startsWith(APPLICATION_NAME_PREFIX)) return null;
  const incarnation = Number(applicationName.slice(APPLICATION_NAME_PREFIX.length));
  return Number.isInteger(incarnation) && incarnation > 0 ? incarnation : null;
}

/** @returns a function that attributes any version of this history */
export function attributeWrites(history: History): (version: RowVersion) => Attribution | null {
  const processes = processesByPid(history);
  const pidOfConnection = pidsByConnection(history);
  const lives = livesOf(history);
  const pooled = last(history, 'observer:started')?.pooled ?? false;
  const knownWriters = new Map<string, Attribution>();

  const attributeWriter = (writer: Writer, seq: number): Attribution | null => {
    const named = incarnationOfName(writer.applicationName);
    if (named !== null) return { incarnation: named, by: 'application-name' };
    if (pooled) return attributeByAbsence(lives, seq);
    const connection = connectionOf(writer);
    const pid = pidOfConnection.get(connection);
    const owner = pid === undefined ? undefined : processes.get(pid);
    if (owner !== undefined) return { incarnation: owner, by: 'process' };
    const known = knownWriters.get(connection);
    if (known !== undefined) return known;
    const byLife = attributeByLife(lives, writer, seq);
    if (byLife !== null) knownWriters.set(connection, byLife);
    return byLife;
  };

  // Connections are learnt in the order of their writes, so that the old worker's stay the old worker's.
  for (const version of history.of('row:version')) {
    if (version.writer !== undefined) attributeWriter(version.writer, version.seq);
  }
  return (version) =>
    version.writer === undefined
      ? attributeByAbsence(lives, version.seq)
      : attributeWriter(version.writer, version.seq);
}

function attributeByAbsence(lives: Lives, seq: number): Attribution | null {
  const lastGone = lives.gone.findLast((event) => event.seq < seq);
  if (lastGone?.proof !== 'processes') return null;
  return { incarnation: lastGone.incarnation + 1, by: 'absence' };
}

function processesByPid(history: History): ReadonlyMap<number, number> {
  const incarnations = new Map<number, number>();
  for (const event of history.of('worker:processes')) {
    for (const process of event.processes) incarnations.set(process.pid, event.incarnation);
  }
  return incarnations;
}

function pidsByConnection(history: History): ReadonlyMap<string, number> {
  const pids = new Map<string, number>();
  for (const event of history.of('presence:snapshot')) {
    for (const connection of event.database) {
      if (connection.pid !== null) pids.set(connection.id, connection.pid);
    }
  }
  for (const event of history.of('holder:identified')) {
    if (event.pid !== null) pids.set(event.connection, event.pid);
  }
  return pids;
}

interface Lives {
  readonly gone: readonly EventOf<'worker:gone'>[];
  /** Harness time + offset = database time (epoch ms). */
  readonly toDatabaseMs: ((atMs: number) => number) | null;
  readonly uncertaintyMs: number;
}

function livesOf(history: History): Lives {
  const clock = first(history, 'clock:measured');
  const run = first(history, 'run:started');
  const zero = run === undefined ? Number.NaN : Date.parse(run.startedAt);
  return {
    gone: history.of('worker:gone'),
    toDatabaseMs: clock === undefined || Number.isNaN(zero) ? null : (atMs) => zero + atMs + clock.offsetMs,
    uncertaintyMs: clock?.uncertaintyMs ?? 0,
  };
}

function attributeByLife(lives: Lives, writer: Writer, seq: number): Attribution | null {
  const lastGone = lives.gone.findLast((event) => event.seq < seq);
  // Nobody had gone when this connection first wrote: it belongs to the first life.
  if (lastGone === undefined) return { incarnation: 1, by: 'connection' };
  if (lives.toDatabaseMs === null) return null;
  const goneAtMs = lives.toDatabaseMs(lastGone.atMs);
  if (writer.backendStartMs !== null && writer.backendStartMs > goneAtMs + lives.uncertaintyMs) {
    return { incarnation: lastGone.incarnation + 1, by: 'connection' };
  }
  return null;
}
