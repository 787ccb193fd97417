import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../testing/history-builder.ts';
import type { RowValues } from './event.ts';
import {
  createHistory,
  firstIncarnation,
  firstSnapshotAfter,
  hasEnded,
  isAfter,
  isBefore,
  lastSnapshotBefore,
  NEVER,
  rowBefore,
  snapshotsOf,
  unmappedStatus,
  versionsOf,
} from './history.ts';

test('nothing is before itself, and everything before what never came', () => {
  expect(isBefore({ seq: 1 }, { seq: 2 })).toBe(true);
  expect(isBefore({ seq: 2 }, { seq: 2 })).toBe(false);
  expect(isBefore({ seq: 2 }, NEVER)).toBe(true);
});

test('nothing is after itself, or after what never was', () => {
  expect(isAfter({ seq: 2 }, { seq: 1 })).toBe(true);
  expect(isAfter({ seq: 1 }, { seq: 1 })).toBe(false);
  expect(isAfter({ seq: 1 }, { seq: 2 })).toBe(false);
  expect(isAfter({ seq: 1 }, undefined)).toBe(false);
});

test('a version has ended whose row is there in a final state', () => {
  const versions = versionsOf(restarted().picksUp(2).completed().deletes('psql').history(), 'job-1');
  expect(versions.filter((version) => hasEnded(version)).map(({ values }) => values?.state)).toEqual([
    'completed',
  ]);
  expect(hasEnded(undefined)).toBe(false);
});

test('lives are counted from the lowest number that was recorded', () => {
  expect(firstIncarnation(createHistory([]))).toBe(1);
  const { events } = restarted().history();
  const later = events.map((event) =>
    'incarnation' in event ? { ...event, incarnation: event.incarnation + 6 } : event,
  );
  expect(firstIncarnation(createHistory(later))).toBe(7);
  expect(firstIncarnation(createHistory(later.filter(({ kind }) => kind !== 'worker:started')))).toBe(7);
});

test('a history never changes, so it is read once for each job', () => {
  const history = handedOver().end();
  expect(versionsOf(history, 'job-1')).toBe(versionsOf(history, 'job-1'));
  expect(versionsOf(history, 'job-2')).toEqual([]);
});

test('a job that was not made yet has nothing', () => {
  const history = handedOver().end();
  expect(versionsOf(history, undefined)).toEqual([]);
  expect(snapshotsOf(history, undefined)).toEqual([]);
});

describe('a row that was moved to the archive', () => {
  const values: RowValues = { status: 'completed', state: 'completed', digest: 'archived' };
  const moved = (job: string) =>
    versionsOf(
      inFlight().deletes(1).event({ kind: 'row:archived', job, role: 'subject', values }).history(),
      'job-1',
    ).map((version) => version.values?.digest ?? 'gone');

  test('is from its deletion on as it lies there, and before as it was', () => {
    const seen = versionsOf(inFlight().history(), 'job-1').map((version) => version.values?.digest);
    expect(moved('job-1')).toEqual([...seen, 'archived']);
  });

  test('is none of another job’s', () => {
    expect(moved('job-waiting').at(-1)).toBe('gone');
  });
});

describe('a queue that deletes what has ended', () => {
  const ended = (): RunBuilder => aRun().job('witness-ended').picksUp(1).progress(100).deletes(1);
  const last = (run: RunBuilder) => versionsOf(run.history(), 'job-1').at(-1)?.values;

  test('is known by the job that ran before, not by any other that was deleted', () => {
    expect(last(ended().job().picksUp(1).deletes(1))).toMatchObject({ state: 'completed' });
    const other = aRun().job('witness-ended').picksUp(1).completed().job('control').deletes('psql');
    expect(last(other.job().picksUp(1).deletes(1))).toBeNull();
  });

  test('is known by what it does before anybody was struck: after that it may be the restart’s doing', () => {
    const run = (): RunBuilder => aRun().job('witness-ended').picksUp(1).completed().job().picksUp(1);
    const removed = run().of('witness-ended').deletes(1).of('subject').strike().gone().starts(2);
    expect(last(removed.picksUp(2).completed().deletes(2))).toMatchObject({ state: 'completed' });
    const later = run().strike().gone().starts(2).of('witness-ended').deletes(2).of('subject');
    expect(last(later.picksUp(2).completed().deletes(2))).toBeNull();
  });

  test('has not ended a job whose row was never there', () => {
    const { events } = ended().job().deletes(1).history();
    const unseen = createHistory(
      events.filter((event) => event.kind !== 'row:version' || event.operation !== 'insert'),
    );
    expect(versionsOf(unseen, 'job-1').map(({ values }) => values)).toEqual([null]);
  });
});

describe('progress', () => {
  test('in percent is left as it was recorded', () => {
    const history = inFlight().history();
    expect(versionsOf(history, 'job-1')[0]).toBe(history.of('row:version')[0]);
  });

  test('in items is a share of a hundred, by what the job of one file ended with; nothing stays nothing', () => {
    const run = aRun().job('witness-ended').picksUp(1).progress(1).row({ status: 'completed' }, 1).job();
    run.row({ progress: null }, 1).picksUp(1).progress(1).progress(2);
    const seen = versionsOf(run.history(), 'job-1').map(({ values }) => values?.progress);
    expect(seen).toEqual([0, null, null, 20, 40]);
  });

  test('in items may end at 100, of the job of one file and of the job itself', () => {
    const progress = (files: number, done: number, isEnded: boolean) => {
      const run = aRun({ files }).job('witness-ended').picksUp(1).progress(1).completed().job().picksUp(1);
      run.progress(done);
      if (isEnded) run.completed();
      return versionsOf(run.history(), 'job-1').at(-1)?.values?.progress;
    };
    expect(progress(5, 2, false)).toBe(40);
    expect(progress(5, 2, true)).toBe(100);
    expect(progress(250, 100, false)).toBe(40);
  });

  test('in items is known by the end, too, which is none as long as the job goes on', () => {
    const run = aRun().job().picksUp(1).progress(2).progress(5);
    const progress = () => versionsOf(run.history(), 'job-1').at(-1)?.values?.progress;
    expect(progress()).toBe(5);
    run.row({ status: 'completed' }, 1);
    expect(progress()).toBe(100);
  });
});

test('a status whose meaning is not known is told, not a column that is empty', () => {
  expect(unmappedStatus({ status: 'reserved', state: 'unknown', digest: '' })).toBe('reserved');
  expect(unmappedStatus({ status: null, state: 'unknown', digest: '' })).toBeUndefined();
  expect(unmappedStatus({ status: 'done', state: 'completed', digest: '' })).toBeUndefined();
  expect(unmappedStatus(null)).toBeUndefined();
});

test('what was seen last before, and first after an event', () => {
  const history = inFlight().history();
  const versions = versionsOf(history, 'job-1');
  const [created, taken] = versions;
  expect(rowBefore(versions, created!.seq)).toBeUndefined();
  expect(rowBefore(versions, taken!.seq)).toBe(created!.values);
  expect(rowBefore(versions)).toBe(versions.at(-1)!.values);
  const looks = snapshotsOf(aRun().job().submitted().looks().looks().looks().history(), 'job-1');
  const [first, second, third] = looks;
  expect(lastSnapshotBefore(looks, second!.seq)).toBe(first);
  expect(lastSnapshotBefore(looks)).toBe(third);
  expect(firstSnapshotAfter(looks, second!.seq)).toBe(third);
  expect(firstSnapshotAfter(looks, third!.seq)).toBeUndefined();
});
