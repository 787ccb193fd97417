import { judge } from '../report.ts';
import { describe, expect, test } from 'vitest';
import { aRun, handedOver, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, findingOf, judgedAs } from '../../testing/judged.ts';
import { recovered, struck, waits } from '../../testing/witnessed-runs.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'witnesses-unharmed');
}

describe('passed', () => {
  test('the ended one was left alone, the waiting one ran once', () => {
    expect(seen(waits(recovered()))).toBe('passed witnesses-well');
  });

  test('how many waited is told', () => {
    const passed = (run: RunBuilder) => findingOf(run.end(), 'witnesses-well');
    expect(passed(waits(recovered()))).toMatchObject({ waited: 1 });
    const alone = aRun().job('witness-ended').picksUp(1).completed().job().submitted().picksUp(1).strike();
    expect(passed(alone.gone().starts(2).picksUp(2).completed())).toMatchObject({ waited: 0 });
  });

  test('what its own worker still wrote before the strike, or before its end, is no harm to the ended one', () => {
    const before = aRun().job('witness-ended').picksUp(1).row({ status: 'completed' }, 1);
    before.row({ progress: 90 }, 1).row({ progress: 100 }, 1).job('subject').submitted();
    before.picksUp(1).progress(20).strike().gone().starts(2).ready(2).picksUp(2).completed();
    expect(seen(before)).toBe('passed witnesses-well');
    const late = aRun().job('witness-ended').picksUp(1).job('subject').submitted().picksUp(1).strike();
    late.of('witness-ended').progress(50, 1).completed(1).of('subject').gone().starts(2).ready(2);
    expect(seen(late.picksUp(2).completed())).toBe('passed witnesses-well');
  });

  test('a first witness that was never seen to end was not there to be harmed', () => {
    const run = aRun().job('witness-ended').picksUp(1).job('subject').submitted().picksUp(1).progress(20);
    expect(seen(run.strike().gone().starts(2).ready(2).picksUp(2).completed())).toBe('passed witnesses-well');
  });

  test('the waiting one failed as the subject did, and so had the first before the strike', () => {
    const run = (): RunBuilder => {
      const before = aRun().job('witness-ended').picksUp(1).failed('no such file').job().submitted();
      before.job('witness-waiting').of('subject').picksUp(1).progress(20).strike().gone().starts(2);
      return before.ready(2).picksUp(2).failed('no such file').of('witness-waiting').picksUp(2);
    };
    expect(seen(run().failed('no such file'))).toBe('passed witnesses-well');
    const controlled = run().failed('no such file').job('control').submitted().picksUp(2).failed();
    expect(judgedAs(controlled.end(), 'same-outcome')).toBe('passed ended-as-control');
  });

  test('a change of a column that is not known is no harm', () => {
    expect(seen(waits(recovered()).of('witness-ended').row({}, 'notifier'))).toBe('passed witnesses-well');
  });
});

describe('what the ended one had left', () => {
  const count = (run: RunBuilder, ...counts: readonly number[]): RunBuilder =>
    run.event({
      kind: 'effects:counted',
      job: 'job-ended',
      role: 'witness-ended',
      source: 'query',
      effects: counts.map((each, index) => ({ item: `file-${index}`, count: each })),
    });
  /** Counted before the strike and at the end. */
  const left = (
    before: readonly number[],
    after: readonly number[],
    later: (run: RunBuilder) => RunBuilder = (run) => run,
  ): RunBuilder => {
    const run = count(aRun().job('witness-ended').picksUp(1).completed(), ...before);
    run.job('subject').submitted().picksUp(1).progress(20).strike().gone().starts(2).ready(2);
    return count(later(run.picksUp(2).completed()), ...after);
  };

  test('is gone since the restart', () => {
    const history = left([1, 1], [1]).end();
    expect(judgedAs(history, 'witnesses-unharmed')).toBe('failed ended-witness-effect-gone');
    expect(findingOf(history, 'ended-witness-effect-gone')).toMatchObject({ item: 'file-1' });
    expect(diagnosedAs(history)).toEqual(['recovery-hit-finished-jobs']);
    expect(seen(left([1], [0]))).toBe('failed ended-witness-effect-gone');
  });

  test('is there, was not there before either, or was counted but once', () => {
    for (const run of [left([1, 1], [1, 1]), left([], [1]), left([0], [])])
      expect(seen(run)).toMatch(/^passed/);
    const once = count(aRun().job('witness-ended').picksUp(1).completed(), 1).job('subject').submitted();
    once.picksUp(1).progress(20).strike().gone().starts(2).ready(2).picksUp(2).completed();
    expect(seen(once)).toMatch(/^passed/);
  });

  test('is told from what other jobs have left, and lost', () => {
    const ofSubject = (run: RunBuilder, ...items: readonly string[]): RunBuilder =>
      run.event({
        kind: 'effects:counted',
        job: 'job-1',
        role: 'subject',
        source: 'query',
        effects: items.map((item) => ({ item, count: 1 })),
      });
    expect(seen(ofSubject(left([1], [1]), 'other'))).toMatch(/^passed/);
    const values = { status: 'completed', state: 'completed', digest: 'moved' } as const;
    const moved = { kind: 'row:archived', job: 'job-1', role: 'subject', values } as const;
    expect(seen(left([1], [], (run) => run.event(moved)))).toContain('ended-witness-effect-gone');
    const control = left([1], [], (run) => run.job('control').deletes(2).of('subject'));
    expect(seen(control)).toContain('ended-witness-effect-gone');
    const before = count(aRun().job('witness-ended').picksUp(1).completed(), 1).job('subject').submitted();
    ofSubject(before.picksUp(1).progress(20), 'file-9').strike().gone().starts(2).ready(2).picksUp(2);
    expect(seen(count(before.completed(), 1))).toMatch(/^passed/);
  });

  test('may go with its row', () => {
    const values = { status: 'completed', state: 'completed', digest: 'moved' } as const;
    const archived = { kind: 'row:archived', job: 'job-ended', role: 'witness-ended', values } as const;
    expect(seen(left([1], [], (run) => run.event(archived)))).not.toContain('ended-witness-effect-gone');
    const deleted = left([1], [], (run) => run.of('witness-ended').deletes(1).of('subject'));
    expect(seen(deleted)).not.toContain('ended-witness-effect-gone');
  });
});

describe('failed', () => {
  test('the ended one was spoilt by a recovery', () => {
    const run = struck()
      .of('witness-ended')
      .row({ status: 'failed' }, 2)
      .of('subject')
      .picksUp(2)
      .completed();
    const history = waits(run).end();
    expect(judgedAs(history, 'witnesses-unharmed')).toBe('failed ended-witness-touched');
    expect(findingOf(history, 'ended-witness-touched')).toMatchObject({
      before: 'completed',
      after: 'failed',
    });
  });

  test('the ended one was deleted', () => {
    expect(seen(waits(recovered()).of('witness-ended').deletes(2))).toBe('failed ended-witness-touched');
  });

  test('the ended one kept its status, and its counts and times were written over', () => {
    const run = struck()
      .of('witness-ended')
      .row({ retryCount: 1, completedAt: null }, 2)
      .of('subject')
      .picksUp(2)
      .completed();
    expect(judgedAs(waits(run).end(), 'witnesses-unharmed')).toBe('failed ended-witness-touched');
  });

  test('the waiting one was failed by a recovery, though its file is good', () => {
    const run = recovered().of('witness-waiting').row({ status: 'failed', error: 'interrupted' }, 2);
    expect(seen(run)).toBe('failed waiting-witness-failed');
  });

  test('… also where it is the only witness, if the subject completed', () => {
    const run = aRun().job('subject').submitted().job('witness-waiting').of('subject').picksUp(1);
    run.progress(20).strike().gone().starts(2).ready(2).picksUp(2).completed();
    expect(seen(run.of('witness-waiting').picksUp(2).failed('interrupted'))).toBe(
      'failed waiting-witness-failed',
    );
  });

  test('the subject failed too, and one like it had completed before the strike', () => {
    const refused = (): RunBuilder =>
      struck().picksUp(2).failed('locked').of('witness-waiting').picksUp(2).failed('locked');
    expect(seen(refused())).toBe('failed waiting-witness-failed');
    // The control was worked on after the restart: it is refused for the same reason, and proves nothing.
    const controlled = refused().job('control').submitted().picksUp(2).failed('locked').end();
    expect(judgedAs(controlled, 'same-outcome')).toBe('inconclusive control-refused-too');
    expect(diagnosedAs(controlled)).toContain('slot-left-behind');
  });

  test('the waiting one never ran', () => {
    const history = recovered().end();
    expect(judgedAs(history, 'witnesses-unharmed')).toBe('failed waiting-witness-stuck');
    expect(findingOf(history, 'waiting-witness-stuck')).toMatchObject({ status: 'pending' });
  });

  test('the waiting one never ran, nor did the subject, in all the time there was', () => {
    expect(seen(struck().timesOut())).toBe('failed waiting-witness-stuck');
  });

  test('the waiting one ran twice', () => {
    const run = waits(recovered()).of('witness-waiting').picksUp(2, { taskId: 'again' }).completed();
    expect(seen(run)).toBe('failed waiting-witness-twice');
  });

  test('the waiting one is worked on again after its end', () => {
    const run = waits(recovered()).of('witness-waiting').row({ status: 'processing' }, 2);
    const history = run.end();
    expect(judgedAs(history, 'witnesses-unharmed')).toBe('failed waiting-witness-reopened');
    expect(findingOf(history, 'waiting-witness-reopened')).toMatchObject({
      before: 'completed',
      now: 'processing',
    });
    expect(judge(history).diagnoses.map(({ id }) => id)).toContain('reran-finished-job');
    const changed = waits(recovered()).of('witness-waiting').row({ status: 'failed' }, 2);
    expect(
      findingOf(changed.row({ status: 'processing' }, 2).end(), 'waiting-witness-reopened'),
    ).toMatchObject({ before: 'completed' });
  });

  test('the waiting one is gone', () => {
    expect(seen(recovered().of('witness-waiting').deletes(2))).toBe('failed waiting-witness-gone');
  });

  test('the waiting one left its effect twice', () => {
    const run = waits(recovered()).event({
      kind: 'effects:counted',
      job: 'job-waiting',
      role: 'witness-waiting',
      source: 'query',
      effects: [{ item: '/tmp/witness-waiting/file-1.pdf', count: 2 }],
    });
    expect(seen(run)).toBe('failed effect-repeated');
  });
});

describe('inconclusive', () => {
  test('the waiting one was not waited for, because the subject itself did not end', () => {
    expect(seen(struck().exits(2, 1))).toBe('inconclusive waiting-witness-not-awaited');
  });

  test('what keeps the subject from being due yet keeps the one behind it too', () => {
    const run = struck()
      .broker({ due: { kind: 'at', atMs: 900_000 } })
      .timesOut();
    expect(seen(run)).toBe('inconclusive waiting-witness-stuck not-due-yet');
  });

  test('the waiting one has a status that is not configured: it may be an end', () => {
    const run = recovered().of('witness-waiting').picksUp(2).row({ status: 'done' }, 2);
    expect(seen(run)).toBe('inconclusive status-not-mapped');
  });

  test('the record breaks off', () => {
    expect(judgedAs(recovered().history(), 'witnesses-unharmed')).toBe(
      'inconclusive waiting-witness-not-awaited',
    );
  });

  test('there was no restart', () => {
    const run = aRun()
      .job('witness-ended')
      .picksUp(1)
      .completed()
      .job('subject')
      .submitted()
      .picksUp(1)
      .completed();
    expect(seen(run)).toBe('inconclusive no-restart');
  });
});

test('skipped without witnesses', () => {
  expect(seen(handedOver())).toBe('skipped no-witnesses');
});
