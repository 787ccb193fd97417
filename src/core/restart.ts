/**
 * What a history says of the restart itself: when the fault came, who went away, whether the job was in flight, who
 * took over. Criteria, diagnoses and the report read these facts from here, so that they cannot disagree.
 */
import {
  areConnectionsUnseen,
  attributeWrites,
  connectionOf,
  writersAreKnown,
  type Attribution,
} from './attribution.ts';
import { databaseClock } from './database-clock.ts';
import { isDeliveredSince, lookAfter } from './deliveries.ts';
import { isTerminal, type EventOf, type RestartMode, type RowValues } from './event.ts';
import type { Finding } from './findings.ts';
import {
  changesOf,
  first,
  firstIncarnation,
  hasEnded,
  isBefore,
  isHeldInBroker,
  jobInRole,
  last,
  lastSnapshotBefore,
  rowBefore,
  snapshotsOf,
  versionsOf,
  type BrokerSnapshot,
  type Ended,
  type History,
  type RowVersion,
} from './history.ts';
import { artefactsOfHold, doubtOfHold } from './hold.ts';
import { findTakeOver, type TakeOver } from './take-over.ts';

interface Moment {
  readonly seq: number;
  readonly atMs: number;
}

export interface RestartFacts {
  readonly job: string | undefined;
  readonly by: RestartMode;
  readonly strikeAt: string;
  /** The old worker may finish the job before it leaves. A run whose beginning is unknown is taken for a crash. */
  readonly polite: boolean;
  readonly versions: readonly RowVersion[];
  readonly changes: readonly RowVersion[];
  readonly snapshots: readonly BrokerSnapshot[];
  readonly attribute: (version: RowVersion) => Attribution | null;
  /** A write that is not attributed is surely no worker's of this run. */
  readonly writersKnown: boolean;
  /** Connections to the database tell nothing: a pooler, or no access. */
  readonly connectionsUnseen: boolean;
  /** The beginning of the restart: the first fault, the command, or the panel shown to the operator. */
  readonly begun: Moment | undefined;
  /** When the worker was struck: the fault; where a person does it, the moment in which it was seen gone. */
  readonly struckAtMs: number | undefined;
  /** The incarnation that was to go away. */
  readonly struck: number;
  readonly faults: readonly EventOf<'fault:injected'>[];
  readonly disarmed: EventOf<'fault:disarmed'> | undefined;
  readonly gone: EventOf<'worker:gone'> | undefined;
  readonly stillThere: EventOf<'worker:still-there'> | undefined;
  /** The struck worker's main process, as far as it was recorded. */
  readonly mainPid: number | undefined;
  /** The first worker that was there after the struck one. */
  readonly successor: EventOf<'worker:ready'> | EventOf<'worker:started'> | undefined;
  /** The harness started a worker after the struck one, it lives, and it never became ready as the struck one did. */
  readonly successorNotReady: EventOf<'worker:started'> | undefined;
  /** The last worker that was started has ended by itself: nobody is left to work. */
  readonly successorDied: EventOf<'worker:exited'> | undefined;
  /** The row as last seen before the restart began, and as first read after the worker had gone. */
  readonly before: RowValues | null | undefined;
  readonly afterGone: RowVersion | undefined;
  readonly brokerBefore: BrokerSnapshot | undefined;
  readonly brokerAfterGone: BrokerSnapshot | undefined;
  /** How the broker stood when only the struck worker could have had the job. */
  readonly heldByStruck: BrokerSnapshot | undefined;
  /** The job ended before the restart could have had an effect on it. */
  readonly endedBefore: boolean;
  /** The job was being worked on (or, where that is the moment of the strike, waited) when the restart began. */
  readonly inFlight: boolean;
  /** The first version with a final state. */
  readonly terminal: Ended | undefined;
  /** The version since which the job is in the final state that it has at the end; `undefined`: it has none. */
  readonly end: Ended | undefined;
  /** The first write by an incarnation later than the struck one that is work on the job. */
  readonly takeOver: TakeOver | undefined;
  /** How many files the job has. */
  readonly items: number;
  /** When this was written the broker had, as it says itself, not handed the job out again. */
  readonly isUndelivered: (version: RowVersion) => boolean;
  /** Whoever wrote this was not ready to take jobs yet: it may come from what a worker does at its start. */
  readonly isBeforeReady: (version: RowVersion) => boolean;
  readonly holdDoubt: Finding | undefined;
  /** `seq` of the writes of the dead that the hold had kept back. */
  readonly artefacts: ReadonlySet<number>;
  /**
   * The run was watched to its own end and nothing escaped the observer. Otherwise what was not seen may have come
   * all the same.
   */
  readonly observedToEnd: boolean;
}

export function restartFacts(history: History): RestartFacts {
  const run = first(history, 'run:started');
  const job = jobInRole(history, 'subject');
  const versions = versionsOf(history, job);
  const changes = changesOf(history, job);
  const snapshots = snapshotsOf(history, job);
  const attribute = attributeWrites(history);
  const by = run?.restartBy ?? 'auto';
  const faults = history.of('fault:injected');
  const struck = faults[0]?.incarnation ?? firstIncarnation(history);
  const gone = history.of('worker:gone').find((event) => event.incarnation === struck);
  const begun = by === 'operator' ? earlier(first(history, 'operator:asked'), gone) : faults[0];
  const before = begun === undefined ? undefined : rowBefore(versions, begun.seq);
  const brokerBefore = begun === undefined ? undefined : lastSnapshotBefore(snapshots, begun.seq);
  const brokerAfterGone = gone === undefined ? undefined : firstLookAfter(history, snapshots, gone);
  // Where the harness alone starts workers, nobody has taken the job between the two looks but the struck one.
  const heldByStruck = by === 'auto' ? (brokerAfterGone ?? brokerBefore) : brokerBefore;
  const terminal = changes.find(hasEnded);
  const polite = run?.polite ?? false;
  const endedBefore =
    hasEndedBefore(history, terminal, begun, by) || (by === 'operator' && polite && stayedOn(terminal, gone));
  const items = history.of('job:created').find((event) => event.job === job)?.files.length ?? 0;
  const isUndelivered = (version: RowVersion): boolean => {
    const look = lookAfter(snapshots, version);
    // What waits for its children is worked on by their messages.
    if (look?.facts?.['waitsForChildren'] === true) return false;
    return heldByStruck !== undefined && look !== undefined && isDeliveredSince(heldByStruck, look) === false;
  };
  const isBeforeReady = (version: RowVersion): boolean => {
    const incarnation = attribute(version)?.incarnation;
    const ready = history.of('worker:ready').find((event) => event.incarnation === incarnation);
    return ready !== undefined && isBefore(version, ready);
  };
  return {
    job,
    by,
    strikeAt: run?.strikeAt ?? '',
    polite,
    versions,
    changes,
    snapshots,
    attribute,
    writersKnown: writersAreKnown(history),
    connectionsUnseen: areConnectionsUnseen(history),
    begun,
    struckAtMs: by === 'operator' ? (gone ?? begun)?.atMs : begun?.atMs,
    struck,
    faults,
    disarmed: last(history, 'fault:disarmed'),
    gone,
    stillThere: last(history, 'worker:still-there'),
    mainPid: history.of('worker:processes').find((event) => event.incarnation === struck)?.mainPid,
    successor: successorOf(history, struck),
    successorNotReady: neverReady(history, struck),
    successorDied: endedSuccessor(history, struck),
    before,
    afterGone:
      gone === undefined
        ? undefined
        : versions.find((version) => isBefore(gone, version) && version.source === 'read'),
    brokerBefore,
    brokerAfterGone,
    heldByStruck,
    endedBefore,
    inFlight: begun !== undefined && !endedBefore && wasInFlight(history, before, brokerBefore),
    terminal,
    end: endOf(changes),
    takeOver:
      begun === undefined
        ? undefined
        : findTakeOver({
            changes,
            attribute,
            struck,
            after: begun,
            items,
            isUndelivered,
            isBeforeReady,
          }),
    items,
    isUndelivered,
    isBeforeReady,
    holdDoubt: doubtOfHold(history, changes),
    artefacts: artefactsOfHold(history),
    observedToEnd:
      last(history, 'run:ended') !== undefined &&
      last(history, 'run:aborted') === undefined &&
      history.of('observer:checked').every((event) => event.job !== job || event.complete),
  };
}

/** A look that tells nothing (it was begun before, or nobody answered) gives way to one that does, as long as nobody else has come. */
function firstLookAfter(
  history: History,
  snapshots: readonly BrokerSnapshot[],
  gone: EventOf<'worker:gone'>,
): BrokerSnapshot | undefined {
  const next = history.of('worker:started').find((started) => isBefore(gone, started));
  const looks = snapshots.filter((look) => isBefore(gone, look));
  const alone = looks.filter((look) => next === undefined || isBefore(look, next));
  return alone.find(({ state }) => state !== 'unknown') ?? looks[0];
}

/** A person's worker may go before they were asked: then that was the beginning. */
function earlier(asked: Moment | undefined, gone: Moment | undefined): Moment | undefined {
  return gone !== undefined && (asked === undefined || isBefore(gone, asked)) ? gone : asked;
}

/** A worker that the harness starts is there when it is ready: one that only started may never consume the queue. */
function successorOf(history: History, struck: number): RestartFacts['successor'] {
  return (
    history.of('worker:ready').find((event) => event.incarnation > struck) ??
    history.of('worker:started').find((event) => event.incarnation > struck && event.by !== 'auto')
  );
}

/** Where no worker was ever told to be ready, it says nothing that the next one was not. */
function neverReady(history: History, struck: number): EventOf<'worker:started'> | undefined {
  const ready = history.of('worker:ready');
  if (ready.length === 0 || ready.some(({ incarnation }) => incarnation > struck)) return undefined;
  const exited = history.of('worker:exited');
  return history
    .of('worker:started')
    .find(
      (event) =>
        event.incarnation > struck &&
        !exited.some(({ incarnation, expected }) => incarnation === event.incarnation && !expected),
    );
}

function endedSuccessor(history: History, struck: number): EventOf<'worker:exited'> | undefined {
  const started = last(history, 'worker:started');
  if (started === undefined || started.incarnation <= struck) return undefined;
  return history
    .of('worker:exited')
    .find((event) => event.incarnation === started.incarnation && !event.expected);
}

/**
 * A worker that drains exits as soon as its job has ended; one that is stopped afterwards lives on for a while. Celery's
 * parent of a pool takes 1.8 to 2.5 s.
 */
export const LEFT_WITH_THE_JOB_MS = 3_000;

/** When a person sent the signal is not seen: what had ended its job and stayed was stopped afterwards. */
function stayedOn(terminal: RowVersion | undefined, gone: Moment | undefined): boolean {
  return (gone?.atMs ?? Number.NaN) - (terminal?.atMs ?? Number.NaN) >= LEFT_WITH_THE_JOB_MS;
}

/**
 * An end may be seen a moment after the fault and have come before it: the server's time tells (of the
 * write, or under polling of the look). Within the uncertainty of the clocks it counts as before, because the opposite is not proved.
 */
function hasEndedBefore(
  history: History,
  terminal: RowVersion | undefined,
  begun: Moment | undefined,
  by: RestartMode,
): boolean {
  if (terminal === undefined) return false;
  if (begun === undefined || isBefore(terminal, begun)) return true;
  const clock = databaseClock(history);
  if (by === 'operator' || clock === null) return false;
  return clock.toRunMs(terminal.databaseAtMs) < begun.atMs + clock.uncertaintyMs;
}

/**
 * By its row, else by the broker. Two moments of the strike lie outside of the work: `pending` (the job was submitted
 * and has neither ended nor been picked up) and `retrying` (it failed once and waits for its backoff).
 */
function wasInFlight(
  history: History,
  before: RowValues | null | undefined,
  brokerBefore: BrokerSnapshot | undefined,
): boolean {
  if (before === null || (before !== undefined && isTerminal(before.state))) return false;
  if (before?.state === 'processing' || isHeldInBroker(brokerBefore)) return true;
  const run = first(history, 'run:started');
  if (run?.strikeAt === 'pending') return wasSubmitted(history, brokerBefore);
  if (run?.strikeAt !== 'retrying' || before === undefined) return false;
  return brokerBefore?.state === 'delayed' || (before.retryCount ?? 0) > 0;
}

/** A submission whose answer never came counts where the broker was seen to have the message. */
function wasSubmitted(history: History, brokerBefore: BrokerSnapshot | undefined): boolean {
  const submitted = history.of('job:submitted').find((event) => event.role === 'subject');
  if (submitted === undefined) return false;
  if (submitted.certainty === 'certain') return true;
  return brokerBefore !== undefined && brokerBefore.state !== 'gone' && brokerBefore.state !== 'unknown';
}

/** The version that brought the final state that still stands. */
function endOf(changes: readonly RowVersion[]): Ended | undefined {
  const now = changes.at(-1);
  if (!hasEnded(now)) return undefined;
  const other = changes.findLastIndex((version) => version.values?.state !== now.values.state);
  return changes.slice(other + 1).find(hasEnded);
}

/** The old worker got the signal in flight, finished the job and left: a proper end of the polite scenarios. */
export function isDrain(facts: RestartFacts): boolean {
  const { terminal, gone } = facts;
  return facts.polite && facts.inFlight && gone !== undefined && isByStruck(facts, terminal);
}

/** The job was brought to its end by the worker that was to be interrupted in it. */
export function endedByOldWorker(facts: RestartFacts): boolean {
  return facts.endedBefore || isByStruck(facts, facts.terminal);
}

/** It was written by the worker that was struck. */
export function isByStruck(
  { attribute, struck }: Pick<RestartFacts, 'attribute' | 'struck'>,
  version: RowVersion | undefined,
): boolean {
  return version !== undefined && attribute(version)?.incarnation === struck;
}

/**
 * Writes of the struck incarnation that land after it was proved gone: then it was not gone. One transaction of a
 * connection that had not ended is no such proof: it is the statement that the server was still busy with.
 */
export function writesAfterGone(facts: RestartFacts): readonly RowVersion[] {
  const { gone } = facts;
  if (gone === undefined) return [];
  const late = facts.changes.filter(
    (version) => isBefore(gone, version) && !facts.artefacts.has(version.seq) && isByStruck(facts, version),
  );
  if (gone.connectionsGone) return late;
  const finishing = new Map<string | undefined, string | undefined>();
  return late.filter(({ writer }) => {
    const connection = writer && connectionOf(writer);
    const transaction = finishing.get(connection) ?? writer?.transactionId;
    finishing.set(connection, transaction);
    return transaction !== writer?.transactionId;
  });
}
