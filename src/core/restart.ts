/**
 * What a history says of the restart itself: when the fault came, who went away, whether the job was in flight, who
 * took over. Criteria and the report read these facts from here, so that they cannot disagree.
 */
import { attributeWrites, type Attribution } from './attribution.ts';
import { isTerminal, type EventOf, type RestartMode, type RowValues } from './event.ts';
import {
  changesOf,
  first,
  isHeldInBroker,
  jobInRole,
  last,
  lastSnapshotBefore,
  rowBefore,
  snapshotsOf,
  versionsOf,
  type BrokerSnapshot,
  type History,
  type RowVersion,
} from './history.ts';

export interface RestartFacts {
  readonly job: string | undefined;
  readonly by: RestartMode;
  readonly versions: readonly RowVersion[];
  readonly changes: readonly RowVersion[];
  readonly snapshots: readonly BrokerSnapshot[];
  readonly attribute: (version: RowVersion) => Attribution | null;
  /** The beginning of the restart: the first fault, the command, or the panel shown to the operator. */
  readonly begun: { readonly seq: number; readonly atMs: number } | undefined;
  /** The incarnation that was to go away. */
  readonly struck: number;
  readonly faults: readonly EventOf<'fault:injected'>[];
  readonly disarmed: EventOf<'fault:disarmed'> | undefined;
  readonly gone: EventOf<'worker:gone'> | undefined;
  readonly stillThere: EventOf<'worker:still-there'> | undefined;
  /** The first worker that was there after the struck one. */
  readonly successor: EventOf<'worker:ready'> | EventOf<'worker:started'> | undefined;
  /** The row as last seen before the restart began, and as first read after the worker had gone. */
  readonly before: RowValues | null | undefined;
  readonly afterGone: RowVersion | undefined;
  readonly brokerBefore: BrokerSnapshot | undefined;
  readonly terminal: RowVersion | undefined;
  /** The first write by an incarnation later than the struck one that is work on the job. */
  readonly takeOver: { readonly version: RowVersion; readonly attribution: Attribution } | undefined;
}

export function restartFacts(history: History): RestartFacts {
  const job = jobInRole(history, 'subject');
  const versions = job === undefined ? [] : versionsOf(history, job);
  const changes = job === undefined ? [] : changesOf(history, job);
  const snapshots = job === undefined ? [] : snapshotsOf(history, job);
  const attribute = attributeWrites(history);
  const by = first(history, 'run:started')?.restartBy ?? 'auto';
  const faults = history.of('fault:injected');
  const struck = faults[0]?.incarnation ?? 1;
  const begun = by === 'operator' ? first(history, 'operator:asked') : faults[0];
  const gone = history.of('worker:gone').find((event) => event.incarnation === struck);
  const successor =
    history.of('worker:ready').find((event) => event.incarnation > struck) ??
    history.of('worker:started').find((event) => event.incarnation > struck);
  const takeOver = begun === undefined ? undefined : findTakeOver(changes, attribute, struck, begun.seq);
  return {
    job,
    by,
    versions,
    changes,
    snapshots,
    attribute,
    begun,
    struck,
    faults,
    disarmed: last(history, 'fault:disarmed'),
    gone,
    stillThere: last(history, 'worker:still-there'),
    successor,
    before: begun === undefined ? undefined : rowBefore(versions, begun.seq),
    afterGone:
      gone === undefined
        ? undefined
        : versions.find((version) => version.seq > gone.seq && version.source === 'read'),
    brokerBefore: begun === undefined ? undefined : lastSnapshotBefore(snapshots, begun.seq),
    terminal: changes.find((version) => version.values !== null && isTerminal(version.values.state)),
    takeOver,
  };
}

/**
 * A write of a later incarnation that shows work on the job: it is processing or has moved on. A write that only puts
 * the job back (to pending) or ends it without having processed it is a recovery's, not a pick-up.
 */
function findTakeOver(
  changes: readonly RowVersion[],
  attribute: (version: RowVersion) => Attribution | null,
  struck: number,
  afterSeq: number,
): RestartFacts['takeOver'] {
  for (const version of changes) {
    if (version.seq < afterSeq || version.values === null || version.artefactOfHold === true) continue;
    const attribution = attribute(version);
    if (attribution === null || attribution.incarnation <= struck) continue;
    const { state } = version.values;
    if (state === 'processing' || state === 'completed') return { version, attribution };
    if (state === 'failed' && version.values.error !== null && hasProgressed(changes, version)) {
      return { version, attribution };
    }
  }
  return undefined;
}

/** A failure counts as the end of work only if the same row version, or one before it, shows more work than before. */
function hasProgressed(changes: readonly RowVersion[], version: RowVersion): boolean {
  const previous = rowBefore(changes, version.seq);
  if (previous === null || previous === undefined) return false;
  const current = version.values;
  return (current?.progress ?? 0) > (previous.progress ?? 0) || current?.taskId !== previous.taskId;
}

/** Whether the job was being worked on just before the restart began: by its row, else by the broker. */
export function wasInFlight(facts: RestartFacts): boolean {
  if (facts.before?.state === 'processing') return true;
  const ended = facts.before === null || (facts.before !== undefined && isTerminal(facts.before.state));
  return !ended && isHeldInBroker(facts.brokerBefore);
}

/** Writes of the struck incarnation that land after it was proved gone: then it was not gone. */
export function writesAfterGone(facts: RestartFacts): readonly RowVersion[] {
  const { gone } = facts;
  if (gone === undefined) return [];
  return facts.changes.filter(
    (version) =>
      version.seq > gone.seq &&
      version.artefactOfHold !== true &&
      version.writer !== undefined &&
      facts.attribute(version)?.incarnation === facts.struck,
  );
}
