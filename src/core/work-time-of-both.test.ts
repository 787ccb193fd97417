/** Times to the millisecond: every event of a run that is made here comes 10 ms after the one before. */
import { describe, expect, test } from 'vitest';
import { aRun, type RunBuilder, type RunOptions } from '../testing/history-builder.ts';
import { restartFacts } from './restart.ts';
import { isTimeInDoubt, soonerThanControl } from './work-time.ts';

function restarts(run: RunBuilder): RunBuilder {
  return run.strike().gone().starts(2).ready(2);
}

/** Ends without a word of its progress. */
function ends(run: RunBuilder, who = 2): RunBuilder {
  return run.row({ status: 'completed' }, who);
}

describe('by the time that both workers had together, where no progress tells', () => {
  interface Times {
    readonly oldMs?: number;
    readonly newMs?: number;
    readonly columns?: readonly 'progress'[];
  }

  /** The witness took 300 ms for one of five files, so 1,125 are three quarters of what all of them take. */
  const hidden = ({ oldMs = 470, newMs = 590, columns = ['progress'] }: Times = {}): RunBuilder => {
    const run = aRun().job('witness-ended').picksUp(1).wait(290).completed().job();
    run
      .without(...columns)
      .submitted()
      .picksUp(1)
      .wait(oldMs);
    return ends(restarts(run).picksUp(2).wait(newMs));
  };
  const isInDoubt = (run: RunBuilder): boolean => isTimeInDoubt(run.history(), restartFacts(run.history()));
  const sooner = (run: RunBuilder) => soonerThanControl(run.history(), restartFacts(run.history()));
  const control = (run: RunBuilder, ms: number): RunBuilder =>
    run
      .job('control')
      .submitted()
      .picksUp(2)
      .wait(ms - 10)
      .completed();

  test.each([
    [593, 1_123, true],
    [594, 1_124, true],
    [595, 1_125, false],
  ])('with %i ms of the new one, %i in all, it is in doubt: %s', (newMs, _bothMs, doubt) => {
    expect(isInDoubt(hidden({ oldMs: 490, newMs: newMs }))).toBe(doubt);
  });

  test('it is settled by a control that takes a third more', () => {
    const run = (): RunBuilder => hidden({ oldMs: 100, newMs: 160 });
    expect(sooner(run())).toBeUndefined();
    expect(sooner(control(run(), 400))).toBeUndefined();
    expect(sooner(control(run(), 404))).toEqual({ bothMs: 300, controlMs: 404 });
  });

  test('a control says nothing where there is no doubt', () => {
    expect(sooner(control(hidden({ newMs: 9_000 }), 90_000))).toBeUndefined();
  });

  test('it is in no doubt where effects or progress tell, or nothing was completed or struck', () => {
    const counted = hidden().event({
      kind: 'effects:counted',
      job: 'job-1',
      role: 'subject',
      source: 'query',
      effects: [{ item: '/tmp/subject/file-1.pdf', count: 1 }],
    });
    expect(isInDoubt(counted)).toBe(false);
    const otherNames = hidden().event({
      kind: 'effects:counted',
      job: 'job-1',
      role: 'subject',
      source: 'query',
      effects: [{ item: 'document 17', count: 1 }],
    });
    expect(isInDoubt(otherNames)).toBe(true);
    const shown = aRun().job('witness-ended').picksUp(1).wait(290).completed().job().submitted().picksUp(1);
    expect(isInDoubt(ends(restarts(shown.wait(50).progress(20)).picksUp(2).wait(200)))).toBe(false);
    expect(isInDoubt(hidden().row({ status: 'failed' }, 2))).toBe(false);
    expect(isInDoubt(aRun().job().submitted().picksUp(1).completed())).toBe(false);
  });

  test('where progress tells it is in doubt if the rest was done quicker than one item after the other', () => {
    /** An item takes 60 ms, so four of them 240, three quarters of which are 180; the new worker is there for 30 before. */
    const quick = (ms: number, options: RunOptions = {}): RunBuilder => {
      const run = aRun(options).job().submitted().picksUp(1).wait(50).progress(20);
      return ends(restarts(run).picksUp(2).wait(ms));
    };
    expect(isInDoubt(quick(169))).toBe(true);
    expect(isInDoubt(quick(170))).toBe(false);
    // A look or two is all that polling has for it.
    expect(isInDoubt(quick(150, { source: 'poll' }))).toBe(false);
    expect(sooner(quick(150))).toBeUndefined();
    expect(sooner(control(quick(150), 280))).toBeUndefined();
    expect(sooner(control(quick(150), 420))).toMatchObject({ controlMs: 420 });
    const last = aRun({ files: 2 }).job().submitted().picksUp(1).wait(50).progress(50);
    expect(isInDoubt(ends(restarts(last).picksUp(2)))).toBe(false);
  });

  test('nor where a time is not known: of the witness, of the old worker, or of the new one', () => {
    const without = (run: RunBuilder): RunBuilder => ends(restarts(run.picksUp(1)).picksUp(2));
    expect(isInDoubt(without(aRun().job().without('progress').submitted()))).toBe(false);
    const witness = (options: RunOptions = {}): RunBuilder =>
      aRun(options)
        .job('witness-ended')
        .picksUp(1)
        .wait(290)
        .completed()
        .job()
        .without('progress')
        .submitted();
    expect(isInDoubt(without(witness()))).toBe(true);
    expect(isInDoubt(ends(restarts(witness({ strikeAt: 'pending' })).picksUp(2)))).toBe(false);
    const unclaimed = (options: RunOptions): RunBuilder =>
      restarts(witness({ broker: false, ...options }).picksUp(1)).row(
        { status: 'completed', taskId: 'b' },
        2,
      );
    expect(isInDoubt(unclaimed({ restartBy: 'operator' }))).toBe(false);
    // What the harness starts can have had it from then on at the earliest.
    expect(isInDoubt(unclaimed({}))).toBe(true);
  });

  test('an end that claims it is no look between which that happened', () => {
    const witness = aRun().job('witness-ended').picksUp(1).wait(290).completed().job().without('progress');
    const run = restarts(witness.submitted().picksUp(1)).delivered(2);
    expect(isInDoubt(run.row({ status: 'completed', taskId: 'b' }, 2))).toBe(true);
  });

  test('nor where the old worker ended it itself', () => {
    const run = aRun({ polite: true }).job('witness-ended').picksUp(1).wait(290).completed().job();
    const drained = ends(run.without('progress').submitted().picksUp(1).strike(), 1);
    expect(isInDoubt(drained.gone().starts(2).ready(2))).toBe(false);
  });
});
