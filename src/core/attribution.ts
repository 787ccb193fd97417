/**
 * Which incarnation of the worker made a write.
 *
 * 1. `application_name`: workers that the harness starts get `PGAPPNAME=verify-restart#<incarnation>`, which libpq and
 *    node-postgres honour. A worker that sets its own name hides this. Where the children alone were struck, those that
 *    the parent started in their place have inherited the name: a connection that began after they were gone is the next
 *    incarnation's.
 * 2. The process at the other end of the connection, where it is on this machine: it belongs to the tree of an
 *    incarnation that was recorded. A connection that was there before the strike and belongs to none of them is
 *    somebody else's.
 * 3. The connection itself (a connection never changes its process): one that began before the strike is the struck
 *    worker's, one that began after that worker was gone is a later one's, and one that was there before the harness
 *    started any is no worker's. The begin is the server's time, related to
 *    the harness's by the measured offset, and judged only outside of its uncertainty.
 * 4. Absence: a connection that began in between, a writer behind a pooler, or one that is not seen at all (polling).
 *    What is written after every process of the old worker was proved gone, and its connections too, is not the old
 *    worker's; what is written before that is the old worker's where the harness alone starts workers and had started
 *    no other yet.
 *
 * Where all that the harness's first worker wrote carried its name, a connection without one is no worker's, neither the
 * old one's nor a new one's: an unknown consumer, or a person at a prompt, is the likelier writer. A write of the dead that the hold had kept back is the dead's, however
 * late it lands. What none of these decides is `null`: unattributed, and said so; it proves nothing.
 */
import { databaseClock } from './database-clock.ts';
import type { EventOf, Writer } from './event.ts';
import {
  first,
  firstIncarnation,
  isBefore,
  last,
  type History,
  type Recorded,
  type RowVersion,
} from './history.ts';
import { artefactsOfHold } from './hold.ts';

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
  const lives = livesOf(history);
  const owners = ownersOfConnections(history, lives);
  const uses = usesOfConnections(history);
  const artefacts = artefactsOfHold(history);
  const pooled = isPooled(history);
  const unseen = areConnectionsUnseen(history);
  const strangers = writersAreKnown(history);
  const known = (attribution: Attribution | null): Attribution | null => (strangers ? null : attribution);

  return (version) => {
    // A look tells what is there, not who made it so.
    if (version.source === 'read') return null;
    if (artefacts.has(version.seq)) {
      return { incarnation: Math.max(lives.first, lives.goneBefore(version)), by: 'connection' };
    }
    const { writer } = version;
    if (writer === undefined) return byAbsence(lives, version, unseen);
    const byName = incarnationOfName(writer.applicationName);
    if (byName !== null) {
      const use = usesOf(uses, version, connectionOf(writer));
      return { incarnation: inheritedBy(lives, byName, writer, use), by: 'application-name' };
    }
    if (pooled) return known(byAbsence(lives, version, true));
    const connection = connectionOf(writer);
    const owner = owners.get(connection);
    if (owner !== undefined) return owner === null ? null : { incarnation: owner, by: 'process' };
    return known(byConnection(lives, writer, usesOf(uses, version, connection)));
  };
}

/** The lives of the worker one after the other, as far as they are told apart. */
interface Lives {
  /** The number of the first of them. */
  readonly first: number;
  /** The harness alone starts workers: none is there that it did not start. */
  readonly auto: boolean;
  /** When the harness started the first of them; `null`: others did, and may have long before. */
  readonly firstStartMs: number | null;
  /** When the incarnation was struck, if it was. */
  readonly struck: (incarnation: number) => (Recorded & { readonly atMs: number }) | undefined;
  readonly gone: (incarnation: number) => EventOf<'worker:gone'> | undefined;
  /** The incarnation that was the last to go before this event; one less than the first: none was. */
  readonly goneBefore: (event: Recorded) => number;
  readonly startedBefore: (incarnation: number, event: Recorded) => boolean;
  /** Of this incarnation the children alone were struck: its name lives on. */
  readonly goesOn: (incarnation: number) => boolean;
  /** A time of the database (epoch ms) as `atMs` of the run; `null` where the clocks were not compared. */
  readonly toRunMs: ((databaseMs: number) => number) | null;
  readonly uncertaintyMs: number;
}

function livesOf(history: History): Lives {
  const run = first(history, 'run:started');
  const clock = databaseClock(history);
  const faults = history.of('fault:injected');
  const allGone = history.of('worker:gone');
  const asked = first(history, 'operator:asked');
  const firstLife = firstIncarnation(history);
  return {
    first: firstLife,
    auto: run?.restartBy === 'auto',
    firstStartMs: run?.restartBy === 'auto' ? (first(history, 'worker:started')?.atMs ?? null) : null,
    struck: (incarnation) =>
      faults.find((fault) => fault.incarnation === incarnation) ??
      (incarnation === firstLife ? asked : undefined),
    gone: (incarnation) => allGone.find((event) => event.incarnation === incarnation),
    goneBefore: (event) => allGone.findLast((gone) => isBefore(gone, event))?.incarnation ?? firstLife - 1,
    startedBefore: (incarnation, event) =>
      history
        .of('worker:started')
        .some((started) => started.incarnation >= incarnation && isBefore(started, event)),
    goesOn: (incarnation) =>
      faults.some((fault) => fault.incarnation === incarnation && fault.reach === 'child'),
    toRunMs: clock?.toRunMs ?? null,
    uncertaintyMs: clock?.uncertaintyMs ?? 0,
  };
}

/** Behind a pooler, or without access to the database, the connections of a worker tell nothing of it. */
export function areConnectionsUnseen(history: History): boolean {
  return isPooled(history) || first(history, 'clock:measured') === undefined;
}

function isPooled(history: History): boolean {
  return last(history, 'observer:started')?.pooled === true;
}

/**
 * Whether the harness's own workers can be told by the names that it gave them: all that was written before the first of
 * them was gone carried one. A write without one is then somebody else's.
 */
export function writersAreKnown(history: History): boolean {
  if (first(history, 'run:started')?.restartBy !== 'auto') return false;
  const gone = first(history, 'worker:gone');
  const names = history
    .of('row:version')
    .filter((version) => gone === undefined || isBefore(version, gone))
    .filter(({ operation, writer }) => operation !== 'insert' && writer !== undefined)
    .map(({ writer }) => incarnationOfName(writer?.applicationName ?? ''));
  return names.length > 0 && !names.includes(null);
}

/** `proof` by processes alone leaves a statement that the server is still finishing for the dead. */
function isSurelyGone(gone: EventOf<'worker:gone'>, unseen: boolean): boolean {
  return gone.proof === 'processes' && (gone.connectionsGone || unseen);
}

function byAbsence(lives: Lives, version: RowVersion, unseen: boolean): Attribution | null {
  const old = lives.goneBefore(version);
  const gone = lives.gone(old);
  if (gone !== undefined && !isSurelyGone(gone, unseen)) return null;
  const incarnation = old + 1;
  const alone = lives.auto && !lives.startedBefore(incarnation + 1, version);
  return gone !== undefined || alone ? { incarnation, by: 'absence' } : null;
}

/** The first and the last version that was written by a connection. */
interface Use {
  readonly first: Recorded;
  readonly last: Recorded;
}

function usesOf(uses: ReadonlyMap<string, Use>, version: RowVersion, connection: string): Use {
  return uses.get(connection) ?? { first: version, last: version };
}

function inheritedBy(lives: Lives, named: number, writer: Writer, use: Use): number {
  let incarnation = named;
  for (;;) {
    const gone = lives.goesOn(incarnation) ? lives.gone(incarnation) : undefined;
    if (gone === undefined || isBefore(use.first, gone) || !beganAfter(lives, writer, gone.atMs))
      return incarnation;
    incarnation += 1;
  }
}

/** As far as it is known: the dead have made no connection that was first used after they were gone. */
function beganAfter({ toRunMs, uncertaintyMs }: Lives, { backendStartMs }: Writer, atMs: number): boolean {
  return backendStartMs === null || toRunMs === null || toRunMs(backendStartMs) > atMs - uncertaintyMs;
}

function byConnection(lives: Lives, writer: Writer, use: Use): Attribution | null {
  if (isOlderThanWorkers(lives, writer)) return null;
  const base = lifeAtBegin(lives, writer, use);
  const { incarnation, beforeStrike } = base;
  if (beforeStrike) return { incarnation, by: 'connection' };
  const gone = lives.gone(incarnation);
  // It began between the strike and the end of this life, so it is this life's or the next one's.
  if (gone !== undefined && isBefore(gone, use.last)) {
    return isSurelyGone(gone, false) ? { incarnation: incarnation + 1, by: 'absence' } : null;
  }
  const alone = lives.auto && !lives.startedBefore(incarnation + 1, use.last);
  return alone ? { incarnation, by: 'connection' } : null;
}

/** Where the harness alone starts workers, a connection that was there before the first of them is somebody else's. */
function isOlderThanWorkers(
  { firstStartMs, toRunMs, uncertaintyMs }: Lives,
  { backendStartMs }: Writer,
): boolean {
  if (firstStartMs === null || backendStartMs === null || toRunMs === null) return false;
  return toRunMs(backendStartMs) < firstStartMs - uncertaintyMs;
}

/** The life in which the connection began, and whether surely before that life was struck. */
function lifeAtBegin(
  lives: Lives,
  writer: Writer,
  use: Use,
): { readonly incarnation: number; readonly beforeStrike: boolean } {
  const { toRunMs, uncertaintyMs } = lives;
  if (writer.backendStartMs === null || toRunMs === null) {
    // Its begin is not known, its first write is: it began no later.
    const strike = lives.struck(lives.first);
    return { incarnation: lives.first, beforeStrike: strike === undefined || isBefore(use.first, strike) };
  }
  const beganAtMs = toRunMs(writer.backendStartMs);
  let incarnation = lives.first;
  for (;;) {
    const gone = lives.gone(incarnation);
    if (gone === undefined || beganAtMs <= gone.atMs + uncertaintyMs) break;
    incarnation += 1;
  }
  const strike = lives.struck(incarnation);
  return {
    incarnation,
    beforeStrike: strike === undefined || beganAtMs < strike.atMs - uncertaintyMs,
  };
}

/** Whose process is at the other end: an incarnation, or `null` for somebody who is no worker of the run. */
function ownersOfConnections(history: History, lives: Lives): ReadonlyMap<string, number | null> {
  const trees = history.of('worker:processes');
  const owners = new Map<string, number | null>();
  const learn = (connection: string, pid: number | null, look: Recorded): void => {
    if (pid === null) return;
    // A pid is used again: of two lives with it, the first that was not gone when the connection was seen.
    const incarnation = trees.find((tree) => {
      const gone = lives.gone(tree.incarnation);
      const there = gone === undefined || isBefore(look, gone);
      return there && tree.processes.some((process) => process.pid === pid);
    })?.incarnation;
    if (incarnation !== undefined) owners.set(connection, incarnation);
    // Before anybody had gone every worker's tree is known whole; later ones may have had children since.
    else if (trees.length > 0 && lives.goneBefore(look) < lives.first) owners.set(connection, null);
  };
  for (const event of history.of('presence:snapshot')) {
    for (const { id, pid } of event.database) learn(id, pid, event);
  }
  for (const event of history.of('holder:identified')) learn(event.connection, event.pid, event);
  return owners;
}

function usesOfConnections(history: History): ReadonlyMap<string, Use> {
  const uses = new Map<string, Use>();
  for (const version of history.of('row:version')) {
    if (version.writer === undefined) continue;
    const connection = connectionOf(version.writer);
    uses.set(connection, { first: uses.get(connection)?.first ?? version, last: version });
  }
  return uses;
}
