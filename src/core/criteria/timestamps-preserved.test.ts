import { describe, expect, test } from 'vitest';
import { createHistory } from '../history.ts';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, findingOf, judgedAs, valuesOfDiagnosis } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'timestamps-preserved');
}

describe('passed', () => {
  test('set once, kept, and completed', () => {
    expect(seen(handedOver())).toBe('passed started-at-kept completed-at-set');
  });

  test('a job that has not ended has kept its start', () => {
    expect(seen(restarted().timesOut())).toBe('passed started-at-kept completed-at-not-due');
  });

  test.each([
    [2_000, 40, /^passed started-at-kept completed-at-set$/],
    [2_001, 40, /^passed .* clocks-differ$/],
    [2_040, 40, /^passed .* clocks-differ$/],
    [2_041, 40, /^failed timestamps-out-of-order$/],
    [2_100, -100, /^passed .* clocks-differ$/],
    [2_101, -100, /^failed timestamps-out-of-order$/],
  ])(
    'started %i ms before it was made, where the clocks are %i ms apart: %s',
    (earlyMs, offsetMs, judged) => {
      const createdAt = '2026-01-31T12:00:01.000+00:00';
      const startedAt = new Date(Date.parse(createdAt) - earlyMs).toISOString();
      const { events } = aRun().job().submitted().picksUp(1, { startedAt }).completed().end();
      const apart = events.map((event) => {
        if (event.kind === 'clock:measured') return { ...event, offsetMs };
        const made = event.kind === 'row:version' && event.values !== null;
        return made ? { ...event, values: { ...event.values, createdAt } } : event;
      });
      expect(judgedAs(createHistory(apart), 'timestamps-preserved')).toMatch(judged);
    },
  );

  test('clocks that are a second apart', () => {
    const run = aRun().job().submitted().picksUp(1, { startedAt: '2026-01-31T11:59:59.000+00:00' });
    expect(seen(run.completed())).toMatch(/^passed/);
  });

  test('a change within one transaction, which nobody saw', () => {
    const run = restarted().row({ startedAt: '2026-01-31T13:00:00+00:00' }, 2, 'one');
    const startedAt = run.history().of('row:version')[1]!.values!.startedAt!;
    expect(seen(run.row({ startedAt, taskId: 'b' }, 2, 'one').completed(2))).toMatch(/^passed/);
  });

  test.each([
    ['a zone beside none', '2026-01-31T09:00:00'],
    ['a date beside a time', '2026-01-31'],
    ['a number that is no time', '17698'],
  ])('what cannot be compared is said: %s', (_name, startedAt) => {
    const run = aRun().job().submitted().picksUp(1, { startedAt }).completed();
    expect(seen(run)).toBe(
      'passed started-at-kept completed-at-set timestamps-not-comparable timestamps-not-comparable',
    );
  });

  test.each([
    ['2026-01-31T09:00:00', true],
    ['2026-01-31', false],
  ])('why %s cannot be compared is told', (startedAt, zones) => {
    const history = aRun().job().submitted().picksUp(1, { startedAt }).completed().end();
    expect(findingOf(history, 'timestamps-not-comparable')).toMatchObject({ later: 'started_at', zones });
    const early = aRun().job().submitted().picksUp(1).row({ status: 'completed', completedAt: startedAt }, 1);
    expect(findingOf(early.end(), 'timestamps-not-comparable')).toMatchObject({
      later: 'completed_at',
      zones,
    });
    const { events } = aRun().job().submitted().picksUp(1).completed().end();
    const made = events.map((event) =>
      event.kind === 'row:version' && event.values !== null
        ? { ...event, values: { ...event.values, createdAt: startedAt } }
        : event,
    );
    expect(findingOf(createHistory(made), 'timestamps-not-comparable')).toMatchObject({
      earlier: 'created_at',
      zones,
    });
  });

  test('the causes: two clocks, an end that was stamped before', () => {
    const mixed = aRun().job().submitted().picksUp(1, { startedAt: '2026-01-31T11:50:00+00:00' }).completed();
    expect(diagnosedAs(mixed.end())).toContain('clock-mixed');
    const completedAt = '2026-01-31T12:00:30+00:00';
    const early = restarted().picksUp(2, { completedAt }).progress(60);
    const history = early.row({ status: 'completed', completedAt }, 2).acks().end();
    expect(diagnosedAs(history)).toEqual(['completed-at-missing']);
    expect(valuesOfDiagnosis(history, 'completed-at-missing')).toEqual({ early: 1 });
  });

  describe('completed_at', () => {
    const AT = '2026-01-31T12:00:30+00:00';
    const early = (run: RunBuilder): string =>
      seen(run.row({ status: 'completed', completedAt: AT }, 2).acks());

    test('that was set before the last work and kept is not the time of the end', () => {
      expect(early(restarted().picksUp(2, { completedAt: AT }).progress(60))).toBe(
        'failed completed-at-early',
      );
      expect(early(restarted().row({ completedAt: AT }, 2).picksUp(2).progress(60))).toBe(
        'failed completed-at-early',
      );
    });

    test('set in a statement before that of the status, or anew with it, is', () => {
      expect(early(restarted().picksUp(2).progress(60).row({ completedAt: AT }, 2))).toMatch(/^passed/);
      const guessed = '2026-01-31T12:00:20+00:00';
      expect(early(restarted().picksUp(2, { completedAt: guessed }).progress(60))).toMatch(/^passed/);
      const pending = restarted().row({ status: 'pending', completedAt: AT }, 2);
      expect(early(pending.picksUp(2, { completedAt: null }).progress(60))).toMatch(/^passed/);
    });
  });

  test('created_at that is set anew when the job is handed back is not when it was made', () => {
    const createdAt = '2026-01-31T12:00:00.400+00:00';
    const run = restarted().row({ createdAt }, 2).picksUp(2).completed();
    const history = run.end();
    expect(judgedAs(history, 'timestamps-preserved')).toBe('failed created-at-changed');
    expect(findingOf(history, 'created-at-changed')).toMatchObject({ after: createdAt, incarnation: 2 });
    expect(diagnosedAs(history)).toEqual(['started-at-reset']);
    expect(seen(restarted().row({ createdAt: null }, 2).picksUp(2).completed())).toMatch(/^passed/);
    // What the harness itself had to guess the worker may put right.
    const guessed = history.events.map((event) =>
      event.kind === 'job:created' ? { ...event, createdAtGuessed: true } : event,
    );
    expect(judgedAs(createHistory(guessed), 'timestamps-preserved')).toMatch(/^passed/);
  });

  test('seconds and milliseconds since 1970 are times', () => {
    const epoch = (shiftMs: number): string => {
      const run = aRun().job().submitted();
      const createdAt = Date.parse(run.history().of('row:version').at(-1)!.values!.createdAt!);
      const startedAt = String(createdAt + shiftMs);
      const completedAt = (createdAt / 1000 + 60).toFixed(3);
      return seen(run.picksUp(1, { startedAt }).row({ status: 'completed', completedAt }, 1));
    };
    expect(epoch(1_000)).toBe('passed started-at-kept completed-at-set');
    expect(epoch(-60_000)).toBe('failed timestamps-out-of-order');
    expect(epoch(120_000)).toBe('failed timestamps-out-of-order');
  });

  test.each(['2026-01-31 12:00:00.2+00', '2026-01-31T14:00:00.200+02', '2026-01-31T14:00:00+0200'])(
    'PostgreSQL’s own way of writing is understood: %s',
    (startedAt) => {
      expect(seen(aRun().job().submitted().picksUp(1, { startedAt }).completed())).toBe(
        'passed started-at-kept completed-at-set',
      );
    },
  );

  test('started an hour before it was made, by a clock that is an hour behind the one of the database', () => {
    const startedAt = '2026-01-31T11:00:00+00:00';
    const { events } = aRun()
      .job()
      .submitted()
      .picksUp(1, { startedAt })
      .strike()
      .gone()
      .starts(2)
      .picksUp(2)
      .completed()
      .end();
    const withOffset = (offsetMs: number) =>
      judgedAs(
        createHistory(
          events.map((event) => (event.kind === 'clock:measured' ? { ...event, offsetMs } : event)),
        ),
        'timestamps-preserved',
      );
    expect(withOffset(3_600_000)).toBe('passed started-at-kept completed-at-set clocks-differ');
    expect(withOffset(1_800_000)).toBe('failed timestamps-out-of-order');
    expect(withOffset(0)).toBe('failed timestamps-out-of-order timestamp-shifted');
  });

  test('a job that ended without ever having been worked on was never started', () => {
    expect(seen(aRun().job().submitted().strike().failed('given up', 2))).toBe('passed completed-at-set');
  });
});

test('a start that is written back with fewer digits is kept', () => {
  const start = (digits: string): string => `2026-01-31T12:00:00.${digits}+00:00`;
  const run = (): RunBuilder =>
    aRun()
      .job()
      .submitted()
      .picksUp(1, { startedAt: start('040682') });
  const saved = run()
    .row({ startedAt: start('040') }, 1)
    .progress(20)
    .strike()
    .gone()
    .starts(2);
  expect(seen(saved.picksUp(2).completed())).toBe('passed started-at-kept completed-at-set');
  const anew = run()
    .strike()
    .gone()
    .starts(2)
    .picksUp(2, { startedAt: start('140') });
  expect(seen(anew.completed())).toBe('failed started-at-changed');
});

describe('failed', () => {
  test('set anew at the second pick-up', () => {
    const history = restarted().picksUp(2, { startedAt: '2026-01-31T12:05:00+00:00' }).completed().end();
    expect(judgedAs(history, 'timestamps-preserved')).toBe(
      'failed started-at-changed timestamps-out-of-order',
    );
    expect(findingOf(history, 'started-at-changed')).toMatchObject({
      after: '2026-01-31T12:05:00+00:00',
      incarnation: 2,
    });
  });

  test('emptied when a new worker starts, and set anew: each is told once', () => {
    const run = restarted().row({ status: 'pending', startedAt: null }, 2).row({ error: 'x' }, 2);
    expect(seen(run.picksUp(2).progress(40).completed())).toBe('failed started-at-lost started-at-changed');
  });

  test('reset and put back between two looks', () => {
    const startedAt = restarted().history().of('row:version').at(-1)!.values!.startedAt!;
    const run = restarted().row({ startedAt: null }, 2).picksUp(2, { startedAt });
    expect(seen(run.completed())).toBe('failed started-at-lost');
  });

  test('never set though it was worked on', () => {
    expect(seen(aRun().job().submitted().picksUp(1, { startedAt: null }).completed())).toBe(
      'failed started-at-missing',
    );
  });

  test('completed_at is missing', () => {
    expect(seen(restarted().picksUp(2).row({ status: 'completed' }, 2))).toBe('failed completed-at-missing');
  });

  test('local time beside UTC: completed hours before it was started', () => {
    const run = restarted()
      .picksUp(2)
      .row({ status: 'completed', completedAt: '2026-01-31T09:00:00+00:00' }, 2);
    expect(seen(run)).toBe('failed timestamps-out-of-order timestamp-shifted');
  });

  test('another zone, though the order is kept', () => {
    const run = restarted()
      .picksUp(2)
      .row({ status: 'completed', completedAt: '2026-01-31T21:00:00+00:00' }, 2);
    expect(seen(run)).toBe('failed timestamp-shifted');
  });
});

test('skipped where the table has neither column', () => {
  const run = inFlight().without('startedAt', 'completedAt').strike().gone().starts(2);
  expect(seen(run.row({ taskId: 'b' }, 2).row({ status: 'completed' }, 2))).toBe(
    'skipped no-timestamp-columns',
  );
});

describe('inconclusive', () => {
  test('nothing was started', () => {
    expect(seen(aRun({ strikeAt: 'pending' }).job().submitted().strike().gone().timesOut())).toBe(
      'inconclusive completed-at-not-due',
    );
  });

  test('nothing was observed', () => {
    expect(seen(aRun())).toBe('inconclusive never-observed');
  });
});

describe('a table with one of the columns', () => {
  const only = (column: 'startedAt' | 'completedAt', run: RunBuilder): string => {
    const other = column === 'startedAt' ? 'completedAt' : 'startedAt';
    const { events } = run.end();
    const cut = events.map((event) => {
      if (event.kind !== 'row:version' || event.values === null) return event;
      const { [other]: _left, ...values } = event.values;
      return { ...event, values };
    });
    return judgedAs(createHistory(cut), 'timestamps-preserved');
  };

  test('is judged by that one', () => {
    expect(only('startedAt', handedOver())).toBe('passed started-at-kept');
    expect(only('completedAt', handedOver())).toBe('passed completed-at-set');
    expect(only('startedAt', restarted().picksUp(2, { startedAt: 'anew' }).completed())).toMatch(
      /^failed started-at-changed/,
    );
  });
});

describe('a start that was never noted', () => {
  test('is missing from a job that was worked on, whether that was seen in between or by its end', () => {
    const failed = aRun().job().submitted().picksUp(1, { startedAt: null }).strike().gone().starts(2);
    expect(seen(failed.picksUp(2, { startedAt: null }).failed())).toContain('started-at-missing');
    const atOnce = aRun().job().submitted().delivered(1).strike().gone().starts(2).delivered(2);
    expect(seen(atOnce.completed(2))).toContain('started-at-missing');
    expect(seen(restarted().picksUp(2, { startedAt: null }))).not.toContain('started-at-missing');
    const unended = aRun().job().submitted().picksUp(1, { startedAt: null }).strike().gone().timesOut();
    expect(seen(unended)).toBe('inconclusive completed-at-not-due');
  });
});
