/** `picked-up-again` where the end came so soon that nobody can have worked for it. */
import { describe, expect, test } from 'vitest';
import type { RowValues } from '../event.ts';
import { createHistory } from '../history.ts';
import { aRun, type RunBuilder, type RunOptions } from '../../testing/history-builder.ts';
import { diagnosedAs, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'picked-up-again');
}

describe('the end came sooner than the files can have been done', () => {
  const slow = (polite = false) =>
    aRun({ polite }).job().submitted().picksUp(1).wait(300).progress(20).strike().gone().starts(2).ready(2);
  const effects = ['1', '2', '3', '4', '5'].map((name) => ({
    item: `/tmp/subject/file-${name}.pdf`,
    count: 1,
  }));

  test('a handler that only marks it completed', () => {
    expect(seen(slow().delivered(2).completed(2))).toBe('inconclusive ended-too-soon');
    expect(seen(slow().picksUp(2).completed(2))).toBe('inconclusive ended-too-soon');
  });

  test('a boot that only marks it completed, where neither a broker nor a claim tells of a pick-up', () => {
    const { events } = slow().row({ status: 'completed', progress: 100 }, 2).end();
    const unseen = events.filter(({ kind }) => kind !== 'broker:snapshot');
    expect(judgedAs(createHistory(unseen), 'picked-up-again')).toBe('inconclusive ended-too-soon');
  });

  test('also where it leaves the progress as it was: what is completed claims every file', () => {
    const end = { status: 'completed', completedAt: '2026-01-31T12:00:01.000Z' };
    expect(seen(slow().picksUp(2).row(end, 2))).toBe('inconclusive ended-too-soon');
    expect(seen(slow(true).picksUp(2).wait(200).row(end, 2))).toBe('passed picked-up-by-write');
    const old = aRun({ polite: true }).job().submitted().picksUp(1).wait(300).progress(20).strike();
    expect(seen(old.row(end, 1).gone().starts(2).ready(2))).toBe('inconclusive ended-too-soon');
  });

  test('counted from the new claim, however long ago the broker was looked at', () => {
    const { events } = slow().wait(900).picksUp(2).completed(2).end();
    const claimed = events.findLast(({ kind }) => kind === 'worker:ready')?.seq ?? 0;
    const unseen = events.filter(({ kind, seq }) => kind !== 'broker:snapshot' || seq < claimed);
    expect(judgedAs(createHistory(unseen), 'picked-up-again')).toBe('inconclusive ended-too-soon');
  });

  test('counted from when the broker had handed it out, if it tells, whatever was seen late', () => {
    const handed = (takenAtMs: number): RunBuilder => {
      const run = slow();
      const nowMs = run.history().events.at(-1)?.atMs ?? 0;
      const taken = { deliveries: 2, owner: 'token-of-2', facts: { takenAtMs: nowMs + takenAtMs } };
      return run.broker(taken).wait(400).completed(2);
    };
    expect(seen(handed(350))).toBe('inconclusive ended-too-soon');
    expect(seen(handed(100))).toBe('passed picked-up-by-write');
    // After the end: the worker's clock is another.
    expect(seen(handed(9_000))).toBe('passed picked-up-by-write');
  });

  describe('a file takes as long as the witness took, where the job itself had not come so far', () => {
    const early = (options: RunOptions = {}, columns: readonly (keyof RowValues)[] = []) =>
      aRun(options)
        .job('witness-ended')
        .picksUp(1)
        .wait(300)
        .completed()
        .job()
        .without(...columns)
        .submitted()
        .picksUp(1)
        .strike()
        .gone()
        .starts(2)
        .ready(2);
    const ends = (run: RunBuilder): RunBuilder =>
      run.row({ status: 'completed', completedAt: '2026-01-31T12:00:01.000Z' }, 2);

    test('struck before the first file, or without a column for progress', () => {
      expect(seen(early().picksUp(2).completed(2))).toBe('inconclusive ended-too-soon');
      expect(seen(ends(early({}, ['progress']).picksUp(2)))).toBe('inconclusive ended-too-soon');
      expect(seen(ends(early({}, ['progress']).picksUp(2).wait(200)))).toBe('passed picked-up-by-write');
    });

    test('an old worker that ends it at once', () => {
      const old = (ms: number): RunBuilder => {
        const run = aRun({ polite: true }).job('witness-ended').picksUp(1).wait(300).completed();
        run.job().without('progress').submitted().picksUp(1).strike().wait(ms);
        run.row({ status: 'completed', completedAt: '2026-01-31T12:00:01.000Z' }, 1);
        return run.gone().starts(2).ready(2);
      };
      expect(seen(old(50))).toBe('inconclusive ended-too-soon');
      expect(seen(old(300))).toBe('skipped drained-so-not-exercised');
    });

    test('not where the old worker had the time to do some, unless the control shows that it was not enough', () => {
      const run = (): RunBuilder => {
        const early = aRun().job('witness-ended').picksUp(1).wait(300).completed().job().without('progress');
        return ends(
          early.submitted().picksUp(1).wait(200).strike().gone().starts(2).ready(2).picksUp(2).wait(50),
        );
      };
      const control = (ms: number): RunBuilder =>
        run().job('control').submitted().picksUp(2).wait(ms).completed(2);
      expect(seen(run())).toBe('passed picked-up-by-write');
      expect(seen(control(300))).toBe('passed picked-up-by-write');
      expect(seen(control(1_500))).toBe('inconclusive ended-sooner-than-control');
      expect(diagnosedAs(control(1_500).end())).toContain('effects-unknown');
    });

    test('nor with one file', () => {
      const run = aRun().job('witness-ended').picksUp(1).wait(300).completed().job().without('progress');
      run.submitted().picksUp(1).wait(200).strike().gone().starts(2).ready(2).picksUp(2);
      expect(seen(ends(run))).toBe('passed picked-up-by-write');
      expect(seen(early({ files: 1 }).picksUp(2).completed(2))).toBe('passed picked-up-by-write');
    });
  });

  test('of a broker that counts nothing: from a first write that changes nothing', () => {
    const celery = (): RunBuilder =>
      aRun({ queue: 'celery' }).job().submitted().picksUp(1).wait(300).progress(20);
    const again = (): RunBuilder => celery().strike().gone().starts(2).ready(2).delivered(2).row({}, 2);
    expect(seen(again().completed(2))).toBe('inconclusive ended-too-soon');
    expect(seen(again().looks().completed(2))).toBe('inconclusive ended-too-soon');
    expect(seen(again().wait(900).completed(2))).toMatch(/^passed/);
  });

  test('by polling: what one look saw unclaimed, and the next one claimed and ended', () => {
    const looked = (gapMs: number): string => {
      const run = aRun({ queue: 'none', source: 'poll' }).job().submitted().picksUp(1).wait(300).progress(20);
      const again = run.strike().gone().starts(2).ready(2).wait(900);
      const { events } = again.row({ status: 'completed', progress: 100, owner: null, attempts: 2 }, 2).end();
      const end = events.findLast((event) => event.kind === 'row:version' && event.source === 'poll');
      return judgedAs(
        createHistory(events.map((event) => (event === end ? { ...end, gapMs } : event) as typeof event)),
        'picked-up-again',
      );
    };
    expect(looked(15)).toBe('inconclusive ended-too-soon');
    expect(looked(400)).not.toContain('ended-too-soon');
  });

  test('by when it was written: a busy harness reads several versions at once', () => {
    const read = (atMs: number) => {
      const { events } = slow().picksUp(2).completed(2).end();
      return createHistory(
        events.map((event) =>
          event.kind === 'row:version' &&
          event.seq < events.findIndex(({ kind }) => kind === 'fault:injected')
            ? { ...event, atMs }
            : event,
        ),
      );
    };
    expect(judgedAs(read(1_000), 'picked-up-again')).toBe('inconclusive ended-too-soon');
  });

  test('not where the effects were counted', () => {
    const run = slow().picksUp(2).completed(2);
    run.event({ kind: 'effects:counted', job: 'job-1', role: 'subject', source: 'query', effects });
    expect(seen(run)).toBe('passed picked-up-by-write');
  });

  test('not where as much time passed as half of a file takes, nor where one file was left', () => {
    expect(seen(slow().picksUp(2).wait(200).completed(2))).toBe('passed picked-up-by-write');
    const last = aRun()
      .job()
      .submitted()
      .picksUp(1)
      .wait(300)
      .progress(80)
      .strike()
      .gone()
      .starts(2)
      .ready(2);
    expect(seen(last.picksUp(2).completed(2))).toBe('passed picked-up-by-write');
  });

  test('an old worker that marks it completed on its way out did not drain it', () => {
    const run = aRun({ polite: true }).job().submitted().picksUp(1).wait(300).progress(20).strike();
    expect(seen(run.completed(1).gone().starts(2).ready(2))).toBe('inconclusive ended-too-soon');
  });
});
