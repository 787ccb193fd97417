/** Causes that show in which files were done, and how often: five files, of which one was noted as done at the strike. */
import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder, type RunOptions } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';
import { judge } from '../report.ts';

const files = [1, 2, 3, 4, 5].map((number) => `/tmp/subject/file-${number}.pdf`);

/** How often each file's effect is there. */
function counted(run: RunBuilder, counts: readonly number[]): RunBuilder {
  const effects = counts.flatMap((count, index) => (count === 0 ? [] : [{ item: files[index]!, count }]));
  return run.event({ kind: 'effects:counted', job: 'job-1', role: 'subject', source: 'query', effects });
}

function causes(run: RunBuilder, counts: readonly number[]): readonly string[] {
  return diagnosedAs(counted(run, counts).end());
}

function valuesOf(run: RunBuilder, counts: readonly number[], id: string): unknown {
  return judge(counted(run, counts).end()).diagnoses.find((diagnosis) => diagnosis.id === id)?.values;
}

/** Worker 2 takes the job over and completes it. */
const resumed = (options: RunOptions = {}): RunBuilder =>
  restarted(options).picksUp(2).progress(60).completed();

describe('the file in hand alone', () => {
  test('is there twice: its effect came before its mark', () => {
    expect(causes(resumed(), [1, 2, 1, 1, 1])).toEqual(['effect-and-mark-apart']);
    expect(valuesOf(resumed(), [1, 2, 1, 1, 1], 'effect-and-mark-apart')).toEqual({
      item: files[1],
      times: 2,
    });
  });

  test('is missing: its mark came before its effect', () => {
    expect(causes(resumed(), [0, 1, 1, 1, 1])).toEqual(['effect-and-mark-apart']);
    expect(valuesOf(resumed(), [0, 1, 1, 1, 1], 'effect-and-mark-apart')).toEqual({
      item: files[0],
      times: 0,
    });
  });

  test('another one that is there twice, or two of them, have another cause', () => {
    expect(causes(resumed(), [2, 1, 1, 1, 1])).toEqual(['effects-not-idempotent']);
    expect(causes(resumed(), [1, 2, 2, 1, 1])).toEqual(['effects-not-idempotent']);
    expect(valuesOf(resumed(), [1, 2, 2, 1, 1], 'effects-not-idempotent')).toEqual({ items: 2 });
  });

  test('one that is missing and another that is there twice are two troubles', () => {
    expect(causes(resumed(), [0, 2, 1, 1, 1])).toEqual(['items-missing', 'effects-not-idempotent']);
  });

  test('where the progress began again, everything was done again', () => {
    const again = restarted().picksUp(2, { progress: 0 }).progress(60).completed();
    expect(causes(again, [1, 2, 1, 1, 1])).toEqual(['effects-not-idempotent', 'progress-reset']);
  });

  test('without a progress nobody knows which it was', () => {
    const { events } = counted(resumed(), [1, 2, 1, 1, 1]).end();
    const blind = inFlight();
    const hidden = events.map((event) =>
      event.kind === 'row:version' && event.values !== null
        ? { ...event, values: { ...event.values, progress: null } }
        : event,
    );
    blind.events.splice(0, blind.events.length, ...hidden);
    expect(diagnosedAs(blind.history())).toEqual(['effects-not-idempotent']);
  });
});

describe('files that are missing', () => {
  test('one was passed over on the way on', () => {
    expect(causes(resumed(), [1, 0, 1, 1, 1])).toEqual(['resumed-past-work']);
    expect(valuesOf(resumed(), [1, 1, 0, 1, 1], 'resumed-past-work')).toEqual({ item: files[2] });
  });

  test('all from some file on: an error was swallowed', () => {
    expect(causes(resumed(), [1, 1, 0, 0, 0])).toEqual(['error-swallowed']);
    expect(valuesOf(resumed(), [1, 0, 0, 0, 0], 'error-swallowed')).toEqual({ items: 4 });
  });

  test('some of those that had been noted as done: neither', () => {
    const twoDone = (): RunBuilder =>
      inFlight().progress(60).strike().gone().starts(2).ready(2).picksUp(2).progress(80).completed();
    expect(causes(twoDone(), [0, 0, 1, 1, 1])).toEqual(['items-missing']);
    expect(valuesOf(twoDone(), [0, 0, 1, 1, 1], 'items-missing')).toEqual({ items: 2 });
    expect(causes(twoDone(), [1, 0, 0, 0, 0])).toEqual(['items-missing']);
  });

  test('an old worker that completed on its way out what it had not done', () => {
    const run = (): RunBuilder => inFlight({ polite: true }).strike().completed(1).gone().starts(2).ready(2);
    expect(causes(run(), [1, 0, 0, 0, 0])).toContain('acked-on-shutdown');
    expect(valuesOf(run(), [1, 0, 0, 0, 0], 'acked-on-shutdown')).toEqual({ progress: 20 });
    expect(causes(run(), [1, 0, 0, 0, 0])).not.toContain('error-swallowed');
    expect(causes(run(), [1, 0, 1, 1, 1])).not.toContain('resumed-past-work');
    expect(causes(run(), [1, 1, 1, 1, 1])).toEqual([]);
  });

  test('a job that does not say it is completed may have fewer', () => {
    const failed = restarted({ fileMode: 'missing' }).picksUp(2).failed();
    expect(causes(failed, [1, 0, 0, 0, 0])).toEqual([]);
  });
});

describe('two runs at once by the new worker', () => {
  /** Claimed by the new worker, and again by it after this long; a lease ends a second after each claim. */
  const twice = (owner: readonly [string, string], waitMs: number): RunBuilder => {
    const lease = (run: RunBuilder): string => new Date(databaseMs(run) + 1_000).toISOString();
    const run = inFlight({ queue: 'none' }).row({ owner: 'dead', leaseUntil: '2026-01-31T12:00:01Z' }, 1);
    run.strike().gone().wait(2_000).starts(2).ready(2);
    run
      .row({ owner: owner[0], attempts: 2, leaseUntil: lease(run) }, 2)
      .progress(40, 2)
      .wait(waitMs);
    run.row({ owner: owner[1], attempts: 3, leaseUntil: lease(run) }, 2).progress(60, 2);
    return run.completed(2);
  };
  const databaseMs = (run: RunBuilder): number =>
    Date.parse('2026-01-31T12:00:00Z') + (run.events.at(-1)?.atMs ?? 0);

  test('by one name for both: the fence is not unique', () => {
    expect(causes(twice(['host:1', 'host:1'], 1_500), [1, 2, 1, 1, 1])).toEqual([
      'fence-not-unique',
      'lock-shorter-than-work',
    ]);
    expect(valuesOf(twice(['host:1', 'host:1'], 1_500), [1, 2, 1, 1, 1], 'fence-not-unique')).toEqual({
      claim: 'host:1',
    });
  });

  test('by a name each: the lock ended before the work', () => {
    const run = twice(['one', 'two'], 1_500);
    expect(causes(run, [1, 2, 1, 1, 1])).toEqual(['lock-shorter-than-work']);
    expect(valuesOf(twice(['one', 'two'], 1_500), [1, 2, 1, 1, 1], 'lock-shorter-than-work')).toMatchObject({
      incarnation: 2,
    });
  });

  test('while the lock of the first still ran it was no matter of the lock', () => {
    expect(causes(twice(['one', 'two'], 10), [1, 2, 1, 1, 1])).not.toContain('lock-shorter-than-work');
  });

  test('where nothing is there twice, there is nothing to explain', () => {
    expect(causes(twice(['one', 'two'], 1_500), [1, 1, 1, 1, 1])).toEqual([]);
  });
});
