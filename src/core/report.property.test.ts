import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FOR_MUTANTS, PROPERTY_RUNS } from '../testing/property-runs.ts';
import { aRun, type RunBuilder, type RunOptions } from '../testing/history-builder.ts';
import { renumbered } from '../testing/renumbered.ts';
import { isTerminal, type Event, type RowValues } from './event.ts';
import { createHistory, type History } from './history.ts';
import { judge } from './report.ts';
import type { Verdict } from './verdict.ts';

/** Runs as they may come, good and bad: who is struck when, what follows, and whether the run comes to its end. */
const options: fc.Arbitrary<RunOptions> = fc.record({
  queue: fc.constantFrom('bullmq', 'celery', 'none'),
  polite: fc.boolean(),
  restartBy: fc.constantFrom('auto', 'operator', 'command'),
  strikeAt: fc.constantFrom('progress', 'pending', 'retrying'),
  fileMode: fc.constantFrom('valid', 'missing'),
  source: fc.constantFrom('trigger', 'poll'),
  pooled: fc.boolean(),
  named: fc.boolean(),
  broker: fc.boolean(),
});

type Happening = (run: RunBuilder) => RunBuilder;

const before: fc.Arbitrary<Happening> = fc.constantFrom<Happening[]>(
  (run) => run.picksUp(1).progress(20),
  (run) => run.picksUp(1),
  (run) => run.delivered(1),
  (run) => run,
  (run) => run.picksUp(1).progress(20).broker({ state: 'ended', owner: null }),
  (run) => run.picksUp(1).completed(),
);

const between: fc.Arbitrary<Happening> = fc.constantFrom<Happening[]>(
  (run) => run,
  (run) => run.row({ status: 'pending' }, 1),
  (run) => run.progress(40, 1).completed(1),
  (run) => run.row({ status: 'failed', error: 'stopped' }, 1),
);

const gone: fc.Arbitrary<Happening> = fc.constantFrom<Happening[]>(
  (run) => run.gone(),
  (run) => run.gone('processes', false),
  (run) => run.gone('connections', true),
  (run) => run,
);

const after: fc.Arbitrary<Happening> = fc.constantFrom<Happening[]>(
  (run) => run.starts(2).ready(2).picksUp(2).progress(60).completed(),
  (run) => run.starts(2).ready(2).picksUp(2).failed('no such file'),
  (run) => run.starts(2).row({ status: 'failed', error: 'interrupted' }, 2).picksUp(2).completed(),
  (run) => run.starts(2).exits(2, 1),
  (run) => run.starts(2).ready(2).timesOut(),
  (run) => run.starts(2).picksUp(2).timesOut(),
  (run) => run.starts(2).picksUp('somebody').completed('somebody'),
  (run) => run.starts(2).picksUp(2).completed().progress(40, 1),
  (run) => run.starts(2).picksUp(2).cancelled('psql'),
  (run) => run.starts(2).ready(2).picksUp(2).progress(40).picksUp(2).progress(60).completed(),
  (run) => run.starts(2).ready(2).delivered(2).timesOut(),
  (run) => run.starts(2).ready(2).delivered(2).delivered(3).acks().timesOut(),
  (run) => run.timesOut(),
);

const histories: fc.Arbitrary<History> = fc
  .tuple(options, before, between, gone, after)
  .map(([given, ...happenings]) =>
    happenings
      .toSpliced(1, 0, (run) => run.strike())
      .reduce((run, happens) => happens(run), aRun(given).job().submitted())
      .end(),
  );

const WORSE: Readonly<Record<Verdict | 'error', number>> = {
  passed: 0,
  inconclusive: 1,
  failed: 2,
  error: 3,
};

function severity(history: History): number {
  return WORSE[judge(history).verdict];
}

/** Puts events in at a place and numbers anew. */
function withInserted(history: History, index: number, bodies: readonly object[]): History {
  const atMs = history.events[index - 1]?.atMs ?? 0;
  const events = history.events.toSpliced(index, 0, ...bodies.map((body) => ({ ...body, atMs }) as Event));
  return createHistory(events.map((event, seq) => ({ ...event, seq })));
}

/** A place after the row was made and before the run's own end. */
function placeIn(history: History, fraction: number): number {
  const firstAt = history.events.findIndex(({ kind }) => kind === 'row:version') + 1;
  return firstAt + Math.floor(fraction * (history.events.length - 1 - firstAt));
}

const fraction = fc.double({ min: 0, max: 1, noNaN: true });

function shiftClocks(event: Event, harnessMs: number, databaseMs: number): Event {
  if (event.kind === 'run:started') {
    return { ...event, startedAt: new Date(Date.parse(event.startedAt) + harnessMs).toISOString() };
  }
  if (event.kind === 'clock:measured') return { ...event, offsetMs: event.offsetMs + databaseMs - harnessMs };
  if (event.kind === 'holder:identified') {
    const [pid, start] = event.connection.split('@');
    return { ...event, connection: `${pid}@${Number(start) + databaseMs}` };
  }
  if (event.kind !== 'row:version') return event;
  const { writer } = event;
  const later = (text: string): string => new Date(Date.parse(text) + databaseMs).toISOString();
  const values =
    event.values === null
      ? null
      : {
          ...event.values,
          ...Object.fromEntries(
            (['createdAt', 'startedAt', 'completedAt', 'heartbeatAt'] as const).flatMap((role) => {
              const text = event.values?.[role];
              return text == null ? [] : [[role, later(text)]];
            }),
          ),
        };
  const moved = { ...event, values, databaseAtMs: event.databaseAtMs + databaseMs };
  if (writer === undefined || writer.backendStartMs === null) return moved;
  return { ...moved, writer: { ...writer, backendStartMs: writer.backendStartMs + databaseMs } };
}

test.skipIf(FOR_MUTANTS).each(['bullmq', 'celery', 'none'])(
  'the generated histories of %s come out in every way',
  (queue) => {
    const verdicts = fc
      .sample(fc.oneof(histories, wellBehaved), 1_000)
      .filter((history) => history.of('run:started')[0]?.target.queue === queue)
      .map((history) => judge(history).verdict);
    expect(new Set(verdicts)).toEqual(new Set(['passed', 'failed', 'inconclusive']));
  },
);

describe('what comes in addition can only make it worse', () => {
  const subject = {
    kind: 'row:version',
    job: 'job-1',
    role: 'subject',
    source: 'trigger',
    databaseAtMs: 0,
  } as const;

  test('a deletion', () => {
    fc.assert(
      fc.property(histories, fraction, (history, where) => {
        const worse = withInserted(history, placeIn(history, where), [
          { ...subject, operation: 'delete', values: null },
        ]);
        expect(severity(worse)).toBeGreaterThanOrEqual(severity(history));
        expect(judge(worse).verdict).toBe('failed');
      }),
      PROPERTY_RUNS,
    );
  });

  test('a duplicate of the row', () => {
    fc.assert(
      fc.property(histories, fraction, (history, where) => {
        const files = history.of('job:created')[0]!.files;
        const worse = withInserted(history, placeIn(history, where), [
          { kind: 'row:stranger', job: 'job-1', id: 'job-2', files },
        ]);
        expect(judge(worse).verdict).toBe('failed');
      }),
      PROPERTY_RUNS,
    );
  });

  test('a second message', () => {
    fc.assert(
      fc.property(histories, fraction, (history, where) => {
        const state = history.of('broker:snapshot')[0];
        fc.pre(state !== undefined);
        const place = placeIn(history, where);
        const worse = withInserted(history, place, [{ ...state, messages: 2 }]);
        const successor = history.of('worker:started').find(({ incarnation }) => incarnation > 1);
        // One that was there before anything of the restart could have made it may be a step of the job.
        const byRestart = successor !== undefined && place > history.events.indexOf(successor);
        expect(byRestart ? ['failed'] : ['failed', 'inconclusive']).toContain(judge(worse).verdict);
      }),
      PROPERTY_RUNS,
    );
  });

  test('an effect that is there twice, or missing from a job that is completed', () => {
    fc.assert(
      fc.property(histories, fc.boolean(), (history, twice) => {
        const { files } = history.of('job:created')[0]!;
        const completed = history.of('row:version').at(-1)?.values?.state === 'completed';
        fc.pre(twice || completed);
        const [item = '', ...others] = files;
        const effects = others.map((other) => ({ item: other, count: 1 }));
        const worse = withInserted(history, history.events.length - 1, [
          {
            kind: 'effects:counted',
            job: 'job-1',
            role: 'subject',
            source: 'query',
            effects: twice ? [...effects, { item, count: 2 }] : effects,
          },
        ]);
        expect(judge(worse).verdict).toBe('failed');
      }),
      PROPERTY_RUNS,
    );
  });

  test('a write after its end', () => {
    fc.assert(
      fc.property(histories, fc.constantFrom('progress', 'error', 'retryCount'), (history, column) => {
        const now = history.of('row:version').at(-1)?.values;
        fc.pre(now != null && isTerminal(now.state));
        const written = { progress: 12, error: 'written late', retryCount: 7 }[column];
        const worse = withInserted(history, history.events.length - 1, [
          { ...subject, operation: 'update', values: { ...now, [column]: written, digest: 'late' } },
        ]);
        expect(judge(worse).verdict).toBe('failed');
      }),
      PROPERTY_RUNS,
    );
  });

  test('a return from its end', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const end = history.of('row:version').findLast(({ values }) => values !== null);
        fc.pre(end?.values?.state === 'completed');
        const values: RowValues = {
          ...end.values,
          status: 'processing',
          state: 'processing',
          digest: 'regress',
        };
        const worse = withInserted(history, history.events.length - 1, [
          { ...subject, operation: 'update', values },
        ]);
        expect(judge(worse).verdict).toBe('failed');
      }),
      PROPERTY_RUNS,
    );
  });
});

describe('what must make no difference', () => {
  const judgement = (history: History) => {
    const { verdict, outcome, criteria, diagnoses } = judge(history);
    return {
      verdict,
      outcome,
      criteria: criteria.map(({ id, status }) => `${id} ${status}`),
      diagnoses: diagnoses.map(({ id }) => id),
    };
  };

  test('the pids and connections by which the database knows its clients', () => {
    fc.assert(
      fc.property(histories, fc.integer({ min: 1, max: 20_000 }), (history, shift) => {
        const renamed = history.events.map((event): Event => {
          if (event.kind === 'holder:identified') {
            const [pid, start] = event.connection.split('@');
            return { ...event, connection: `${Number(pid) + shift}@${start}` };
          }
          if (event.kind !== 'row:version' || event.writer === undefined) return event;
          const { writer } = event;
          return {
            ...event,
            writer: { ...writer, backendPid: writer.backendPid + shift, clientPort: shift },
          };
        });
        expect(judgement(createHistory(renamed))).toEqual(judgement(history));
      }),
      PROPERTY_RUNS,
    );
  });

  test('from which number the lives of the workers are counted', () => {
    fc.assert(
      fc.property(fc.oneof(histories, wellBehaved), fc.integer({ min: 1, max: 500 }), (history, shift) => {
        expect(judgement(renumbered(history, shift))).toEqual(judgement(history));
      }),
      PROPERTY_RUNS,
    );
  });

  test('how jobs, claims, tokens and files are called', () => {
    fc.assert(
      fc.property(fc.oneof(histories, wellBehaved), fc.stringMatching(/^[a-z]{1,8}$/), (history, name) => {
        const renamed = JSON.stringify(history.events)
          .replaceAll('job-1', `${name}/job`)
          .replaceAll('task-of-', `${name}.`)
          .replaceAll('token-of-', `${name}@`)
          .replaceAll('/tmp/subject/', `/srv/${name}/`);
        const events = JSON.parse(renamed) as readonly Event[];
        expect(judgement(createHistory(events))).toEqual(judgement(history));
      }),
      PROPERTY_RUNS,
    );
  });

  test('what the clocks of both sides show', () => {
    fc.assert(
      fc.property(
        histories,
        fc.integer({ min: -9_000_000, max: 9_000_000 }),
        fc.integer({ min: -9_000_000, max: 9_000_000 }),
        (history, harnessMs, databaseMs) => {
          const shifted = history.events.map((event) => shiftClocks(event, harnessMs, databaseMs));
          expect(judgement(createHistory(shifted))).toEqual(judgement(history));
        },
      ),
      PROPERTY_RUNS,
    );
  });

  test('what is recorded after the end', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const longer = withInserted(history, history.events.length, [
          { ...history.of('row:version')[0], operation: 'delete', values: null },
        ]);
        expect(judgement(longer)).toEqual(judgement(history));
      }),
      PROPERTY_RUNS,
    );
  });
});

test('no beginning of a history passes', () => {
  fc.assert(
    fc.property(histories, fraction, (history, where) => {
      const length = Math.floor(where * (history.events.length - 1));
      expect(judge(createHistory(history.events.slice(0, length))).verdict).not.toBe('passed');
    }),
    PROPERTY_RUNS,
  );
});

test('a beginning that fails shows harm, not that something has not come yet', () => {
  fc.assert(
    fc.property(histories, fraction, (history, where) => {
      const length = Math.floor(where * (history.events.length - 1));
      const codes = judge(createHistory(history.events.slice(0, length)))
        .criteria.filter(({ status }) => status === 'failed')
        .flatMap(({ evidence }) => evidence.map(({ code }) => code));
      expect(codes).not.toContain('nobody-picked-up');
      expect(codes).not.toContain('not-terminal');
    }),
    PROPERTY_RUNS,
  );
});

/** The worker does all that it should; it is stopped politely or not, hands the job back, drains, or is just killed. */
const wellBehaved: fc.Arbitrary<History> = fc
  .tuple(options, fc.constantFrom('killed', 'handed back', 'drained'), fc.constantFrom('whole', 'hidden'))
  .map(([given, how, claims]) => {
    const run = aRun(given).job().submitted().picksUp(1).progress(20);
    const ends = (who: number): RunBuilder =>
      given.fileMode === 'missing' ? run.failed('no such file', who) : run.progress(100, who).completed(who);
    run.strike();
    if (given.polite === true && how === 'drained') ends(1);
    if (given.polite === true && how === 'handed back')
      run.row({ status: 'pending' }, 1).broker({ state: 'waiting' });
    run.gone().wait(50).starts(2).ready(2);
    if (given.polite === true && how === 'drained') return run.end();
    run.picksUp(2, claims === 'hidden' ? { taskId: 'task-of-1' } : {});
    return ends(2).end();
  });

test('a run in which all is well passes where the harness restarts the worker, and never fails', () => {
  fc.assert(
    fc.property(wellBehaved, (history) => {
      const { verdict, criteria } = judge(history);
      const doubts = criteria.filter(({ status }) => status !== 'passed' && status !== 'skipped');
      const byHarness = history.of('run:started')[0]!.restartBy === 'auto';
      expect(byHarness ? doubts : doubts.filter(({ status }) => status === 'failed')).toEqual([]);
      expect(verdict).not.toBe('failed');
    }),
    PROPERTY_RUNS,
  );
});

test('a run that passes has seen its restart, and was never cancelled, disarmed or left halfway', () => {
  fc.assert(
    fc.property(fc.oneof(histories, wellBehaved), (history) => {
      const report = judge(history);
      if (report.verdict !== 'passed') return;
      expect(report.outcome).toMatch(/^(?:handed-over|drained)$/);
      expect(history.of('worker:gone')).toHaveLength(1);
      expect(report.job.finalState).toMatch(/^(?:completed|failed)$/);
    }),
    PROPERTY_RUNS,
  );
});

test('a criterion judges whatever history it is given', () => {
  fc.assert(
    fc.property(histories, fc.array(fraction, { maxLength: 8 }), (history, holes) => {
      const missing = new Set(holes.map((where) => Math.floor(where * history.events.length)));
      const report = judge(createHistory(history.events.filter((_event, index) => !missing.has(index))));
      const threw = report.criteria.flatMap(({ evidence }) =>
        evidence.filter(({ code }) => code === 'criterion-threw'),
      );
      expect(threw).toEqual([]);
    }),
    PROPERTY_RUNS,
  );
});
