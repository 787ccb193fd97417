/** The history of a run: its events in order, indexed by kind. Immutable; criteria and diagnoses read nothing else. */
import {
  isTerminal,
  type BrokerState,
  type Event,
  type EventKind,
  type EventOf,
  type JobRole,
  type RowValues,
} from './event.ts';
import {
  inPercent,
  NOTHING_SEEN,
  ofOneFile,
  progressUnit,
  withProgress,
  type ProgressSeen,
} from './progress-scale.ts';

export interface History {
  readonly events: readonly Event[];
  of<K extends EventKind>(kind: K): readonly EventOf<K>[];
}

export type RowVersion = EventOf<'row:version'>;
export type BrokerSnapshot = EventOf<'broker:snapshot'>;

/** A version in whose row the job has ended. */
export type Ended = RowVersion & { readonly values: RowValues };

export function hasEnded(version: RowVersion | undefined): version is Ended {
  return version?.values != null && isTerminal(version.values.state);
}

/** Anything that has its place in the record. */
export interface Recorded {
  readonly seq: number;
}

/** What never came: everything is before it. */
export const NEVER: Recorded = { seq: Number.POSITIVE_INFINITY };

/** Whether one was recorded before the other. */
export function isBefore(one: Recorded, other: Recorded): boolean {
  return one.seq < other.seq;
}

/** Nothing comes after what never was. */
export function isAfter(one: Recorded, other: Recorded | undefined): boolean {
  return other !== undefined && isBefore(other, one);
}

/** Whether the run was on a queue of this kind. */
export function isOnQueue(history: History, kind: 'bullmq' | 'celery'): boolean {
  return first(history, 'run:started')?.target.queue === kind;
}

/** @param events in the order of their `seq` */
export function createHistory(events: readonly Event[]): History {
  const byKind = new Map<EventKind, Event[]>();
  for (const event of events) {
    const list = byKind.get(event.kind);
    if (list === undefined) byKind.set(event.kind, [event]);
    else list.push(event);
  }
  return {
    events,
    of: <K extends EventKind>(kind: K) => (byKind.get(kind) ?? []) as unknown as readonly EventOf<K>[],
  };
}

/** The first event of a kind, if any. */
export function first<K extends EventKind>(history: History, kind: K): EventOf<K> | undefined {
  return history.of(kind)[0];
}

export function last<K extends EventKind>(history: History, kind: K): EventOf<K> | undefined {
  return history.of(kind).at(-1);
}

const LIFE_KINDS = [
  'worker:started',
  'worker:processes',
  'fault:injected',
  'worker:gone',
  'worker:still-there',
] as const;

/** The number of the first worker's life: the others are counted from there. */
export function firstIncarnation(history: History): number {
  const numbers = LIFE_KINDS.flatMap((kind) => history.of(kind).map(({ incarnation }) => incarnation));
  return numbers.length === 0 ? 1 : Math.min(...numbers);
}

/** The table's id of the job in a role, or `undefined` before it was created. */
export function jobInRole(history: History, role: JobRole): string | undefined {
  return history.of('job:created').find((event) => event.role === role)?.job;
}

/**
 * Every recorded observation of a job's row, in order, as others could see it: of the versions that one transaction
 * wrote one after the other, the last. (A row that is deleted and inserted again by one transaction was never away.)
 * @param job `undefined`: it was not made yet, and nothing was seen of it
 */
export function versionsOf(history: History, job: string | undefined): readonly RowVersion[] {
  const known = VERSIONS.get(history) ?? new Map<string | undefined, readonly RowVersion[]>();
  VERSIONS.set(history, known);
  const before = known.get(job);
  if (before !== undefined) return before;
  const versions = readVersions(history, job);
  known.set(job, versions);
  return versions;
}

/** A history never changes, and every criterion asks for the same jobs. */
const VERSIONS = new WeakMap<History, Map<string | undefined, readonly RowVersion[]>>();

function readVersions(history: History, job: string | undefined): readonly RowVersion[] {
  const versions = history.of('row:version').filter((version) => version.job === job);
  const visible = versions.filter((version, index) => {
    const transaction = version.writer?.transactionId;
    return transaction === undefined || versions[index + 1]?.writer?.transactionId !== transaction;
  });
  const archived = history.of('row:archived').findLast((event) => event.job === job);
  const moved = archived === undefined ? visible : movedTo(archived.values, visible);
  return inHundredths(history, job, removesEnded(history) ? endedByDeletion(moved) : moved);
}

/**
 * A queue that deletes the rows of jobs that have ended, at once or a moment later: so it did with the job that ran to its
 * end before anybody was struck. One that moves them to an archive is told by what lies there.
 */
function removesEnded(history: History): boolean {
  const witness = jobInRole(history, 'witness-ended');
  if (history.of('row:archived').some(({ job }) => job === witness)) return false;
  const strikes = [
    ...history.of('fault:injected'),
    ...history.of('operator:asked'),
    ...history.of('worker:gone'),
  ];
  const struck = strikes.reduce<Recorded>((least, event) => (isBefore(event, least) ? event : least), NEVER);
  const last = history
    .of('row:version')
    .findLast((version) => version.job === witness && isBefore(version, struck));
  return last?.values === null;
}

/** There a deletion is the end: of a job that was completed, unless its row had said otherwise before. */
function endedByDeletion(versions: readonly RowVersion[]): readonly RowVersion[] {
  const last = versions.findLast(({ values }) => values !== null)?.values;
  if (last == null) return versions;
  if (isTerminal(last.state)) return movedTo(last, versions);
  // When it ended is in the history, not in the row.
  const { completedAt: _none, ...row } = last;
  return movedTo({ ...row, status: 'deleted', state: 'completed' }, versions);
}

/** With their progress as a share of a hundred, however the table counts it. */
function inHundredths(
  history: History,
  job: string | undefined,
  versions: readonly RowVersion[],
): readonly RowVersion[] {
  const unit = progressUnit(progressSeen(history, job, versions));
  if (unit === 1) return versions;
  return versions.map((version) => {
    const { values } = version;
    if (values?.progress == null) return version;
    const progress = inPercent(values.progress, unit, values.state === 'completed');
    return { ...version, values: { ...values, progress } };
  });
}

function progressSeen(
  history: History,
  job: string | undefined,
  versions: readonly RowVersion[],
): ProgressSeen {
  const witness = jobInRole(history, 'witness-ended');
  const beside = history.of('row:version').filter((version) => version.job === witness);
  const items = history.of('job:created').find((event) => event.job === job)?.files.length ?? 0;
  const before = { ...NOTHING_SEEN, items };
  return { ...progressIn(versions, before), ofOneFile: ofOneFile(progressIn(beside, before)) };
}

function progressIn(versions: readonly RowVersion[], before: ProgressSeen): ProgressSeen {
  return versions.reduce<ProgressSeen>(
    (seen, { values }) =>
      values?.progress == null ? seen : withProgress(seen, values.progress, values.state === 'completed'),
    before,
  );
}

/** A row that was moved to the archive for good was not deleted: from then on it is as it lies there. */
function movedTo(values: RowValues, versions: readonly RowVersion[]): readonly RowVersion[] {
  const lastThere = versions.findLastIndex((version) => version.values !== null);
  return versions.map((version, index) => (index > lastThere ? { ...version, values } : version));
}

/** The observations that are changes: without the deliberate reads, which only repeat what is there. */
export function changesOf(history: History, job: string | undefined): readonly RowVersion[] {
  return versionsOf(history, job).filter((version) => version.source !== 'read');
}

export function snapshotsOf(history: History, job: string | undefined): readonly BrokerSnapshot[] {
  return history.of('broker:snapshot').filter((snapshot) => snapshot.job === job);
}

/** The row as it was last seen before `seq` (the whole history by default); `null`: it was gone. */
export function rowBefore(
  versions: readonly RowVersion[],
  seq: number = Number.POSITIVE_INFINITY,
): RowValues | null | undefined {
  return versions[countBefore(versions, seq) - 1]?.values;
}

/** The status of a row whose meaning no mapping tells; `undefined`: it is known, or there is no row. */
export function unmappedStatus(values: RowValues | null | undefined): string | undefined {
  return values?.state === 'unknown' ? (values.status ?? undefined) : undefined;
}

export function lastSnapshotBefore(
  snapshots: readonly BrokerSnapshot[],
  seq: number = Number.POSITIVE_INFINITY,
): BrokerSnapshot | undefined {
  return snapshots[countBefore(snapshots, seq) - 1];
}

export function firstSnapshotAfter(
  snapshots: readonly BrokerSnapshot[],
  seq: number,
): BrokerSnapshot | undefined {
  return snapshots[countBefore(snapshots, seq + 1)];
}

/** How many come before `seq`. Asked for every write of a run, so it is no walk through all of them. */
function countBefore(events: readonly { readonly seq: number }[], seq: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((events[middle]?.seq ?? Number.POSITIVE_INFINITY) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether the broker says that the job is being worked on: the proof of flight where the row cannot show it. */
export function isHeldInBroker(state: BrokerState | undefined): boolean {
  return state?.state === 'active';
}
