/** Times to the millisecond: every event of a run that is made here comes 10 ms after the one before. */
import { describe, expect, test } from 'vitest';
import { aRun, inFlight, type RunBuilder, type RunOptions } from '../testing/history-builder.ts';
import type { BrokerState, Event } from './event.ts';
import { createHistory, type History } from './history.ts';
import { restartFacts } from './restart.ts';
import { endTooSoon } from './work-time.ts';

function isTooSoon(run: RunBuilder | History): boolean {
  const history = 'history' in run ? run.history() : run;
  return endTooSoon(history, restartFacts(history)) !== undefined;
}

function restarts(run: RunBuilder): RunBuilder {
  return run.strike().gone().starts(2).ready(2);
}

/** Ends without a word of its progress. */
function ends(run: RunBuilder, who = 2): RunBuilder {
  return run.row({ status: 'completed' }, who);
}

describe('by the time that the struck worker took for a file', () => {
  /** It took 300 ms for each. */
  const slow = (files = 1): RunBuilder => {
    const run = aRun().job().submitted().picksUp(1);
    for (let file = 1; file <= files; file += 1) run.wait(290).progress(20 * file);
    return run;
  };
  const handedOut = (run: RunBuilder, takenAtMs: number): RunBuilder =>
    run.broker({ deliveries: 2, owner: 'token-of-2', facts: { takenAtMs } });
  const nowMs = (run: RunBuilder): number => run.events.at(-1)!.atMs;
  /** So long after the last look by which nobody had been handed it that this look tells nothing. */
  const muchLater = (run: RunBuilder): RunBuilder =>
    run.wait(400).event({ kind: 'note', code: 'later', text: 'nothing happened' });

  test.each([
    [139, true],
    [140, false],
  ])('%i ms and ten after the claim, with four files left: %s', (ms, tooSoon) => {
    expect(isTooSoon(ends(restarts(slow()).picksUp(2).wait(ms)))).toBe(tooSoon);
  });

  test('without a restart nothing was done too soon', () => {
    expect(isTooSoon(inFlight().completed())).toBe(false);
  });

  test('what the new worker does is no measure of the old one', () => {
    expect(isTooSoon(restarts(slow()).picksUp(2).progress(40).wait(40).completed())).toBe(true);
  });

  test('of several files in one write each took its part', () => {
    const run = aRun().job().submitted().picksUp(1).wait(290).progress(60);
    expect(isTooSoon(ends(restarts(run).picksUp(2).wait(50)))).toBe(false);
  });

  test('a look while the new worker has it begins nothing, nor does one after the end', () => {
    expect(isTooSoon(ends(restarts(slow()).picksUp(2).wait(400).looks()))).toBe(false);
    expect(isTooSoon(ends(restarts(slow()).wait(400)).looks())).toBe(false);
  });

  describe('since it was handed out, if the queue tells', () => {
    test('of what was left then', () => {
      const four = muchLater(restarts(slow()));
      expect(isTooSoon(ends(handedOut(four, nowMs(four)).wait(50)))).toBe(true);
      const one = muchLater(restarts(slow(4)));
      expect(isTooSoon(ends(handedOut(one, nowMs(one)).wait(50)))).toBe(false);
    });

    test('whatever the new worker wrote on its way', () => {
      const run = muchLater(restarts(slow()));
      handedOut(run, nowMs(run)).progress(40, 2).progress(60, 2).progress(80, 2);
      expect(isTooSoon(ends(run))).toBe(true);
    });

    test('in the very moment in which somebody had written how far it was', () => {
      const run = muchLater(restarts(slow())).row({ progress: 80 }, 'somebody');
      expect(isTooSoon(ends(handedOut(run, nowMs(run)).wait(50)))).toBe(false);
    });

    test('also in the moment of the end, not after it: that is another clock', () => {
      const endMs = (run: RunBuilder): number => nowMs(run) + 20;
      const run = (): RunBuilder => muchLater(restarts(slow()));
      expect(isTooSoon(ends(handedOut(run(), endMs(run()))))).toBe(true);
      expect(isTooSoon(ends(handedOut(run(), endMs(run()) + 1)))).toBe(false);
    });

    test.each([
      ['was seen late', 300, -300],
      ['was written by a clock that is ahead', 0, 300],
    ])('the end counts as soon as it can have been, if it %s', (_name, waitMs, shiftMs) => {
      const run = muchLater(restarts(slow()));
      const { events } = ends(handedOut(run, nowMs(run)).wait(waitMs)).history();
      const end = events.at(-1)!;
      if (end.kind !== 'row:version') throw new Error('it did not end');
      const shifted: Event = { ...end, databaseAtMs: end.databaseAtMs + shiftMs };
      expect(isTooSoon(createHistory([...events.slice(0, -1), shifted]))).toBe(true);
    });
  });

  describe('of a broker that counts nothing', () => {
    const celery = (): RunBuilder =>
      aRun({ queue: 'celery' }).job().submitted().picksUp(1).wait(290).progress(20).strike().gone();

    test('since it was seen to wait, or a first write that changes nothing', () => {
      const waits = celery().wait(400).broker({ state: 'waiting', owner: null }).starts(2).ready(2);
      expect(isTooSoon(ends(waits))).toBe(true);
      expect(isTooSoon(ends(celery().starts(2).ready(2).wait(400).delivered(2).row({}, 2)))).toBe(true);
    });

    test('since the last look that found nobody to have it, where it is not known when who was started', () => {
      const byPerson = (look: Partial<BrokerState>, ms: number): RunBuilder => {
        const run = aRun({ restartBy: 'operator' }).job().submitted().picksUp(1).wait(290).progress(20);
        return ends(restarts(run).wait(400).broker(look).wait(ms));
      };
      const waiting = { state: 'waiting', owner: null, deliveries: null } as const;
      for (const look of [waiting, {}]) {
        expect(isTooSoon(byPerson(look, 100))).toBe(true);
        expect(isTooSoon(byPerson(look, 400))).toBe(false);
      }
      expect(isTooSoon(byPerson({ deliveries: 2, owner: 'token-of-2' }, 100))).toBe(false);
    });

    test('that write is of whoever ended it, and after the old worker was gone', () => {
      const handed = (): RunBuilder => celery().starts(2).ready(2).wait(400).delivered(2);
      expect(isTooSoon(handed().row({ error: 'seen' }, 'monitor').progress(40, 2).completed(2))).toBe(false);
      expect(isTooSoon(handed().row({}, 'somebody').completed('somebody'))).toBe(false);
      const inFlight = (): RunBuilder =>
        aRun({ queue: 'celery' }).job().submitted().picksUp(1).wait(290).progress(20).strike().starts(2);
      const early = inFlight().ready(2).row({}, 2);
      early.event({ kind: 'worker:gone', incarnation: 1, proof: 'processes', connectionsGone: true });
      expect(isTooSoon(ends(early.looks().wait(400).delivered(2).row({}, 2)))).toBe(true);
      expect(isTooSoon(inFlight().ready(2).delivered(2).wait(400).completed(2).gone())).toBe(false);
      expect(isTooSoon(inFlight().ready(2).delivered(2).wait(400).completed(2))).toBe(false);
    });
  });

  test.each([
    [{ attempts: 2 }, true],
    [{}, false],
  ])('between two looks, where the second one sees it claimed and ended: %o', (claim, tooSoon) => {
    const polled = aRun({ queue: 'none', source: 'poll' })
      .job()
      .submitted()
      .picksUp(1)
      .wait(290)
      .progress(20);
    if (!tooSoon) restarts(polled).picksUp(2);
    else restarts(polled);
    const { events } = polled
      .wait(400)
      .row({ status: 'completed', ...claim }, 2)
      .history();
    const end = events.at(-1)!;
    if (end.kind !== 'row:version') throw new Error('it did not end');
    expect(isTooSoon(createHistory([...events.slice(0, -1), { ...end, gapMs: 15 }]))).toBe(tooSoon);
  });

  test('a first write that shows work already, or is the end, or only a touch, is no begin of it', () => {
    const handed = (): RunBuilder => restarts(slow()).delivered(2).wait(400);
    expect(isTooSoon(handed().progress(40, 2).completed(2))).toBe(false);
    expect(isTooSoon(handed().completed(2))).toBe(false);
    expect(isTooSoon(ends(handed().row({}, 2)))).toBe(false);
  });
});

describe('by the time that the witness took for its file', () => {
  /** It waited for a second, and took 300 ms. */
  const beside = (options: RunOptions = {}): RunBuilder =>
    aRun(options).job('witness-ended').wait(1_000).picksUp(1).wait(290).completed().job().submitted();

  test.each([
    [139, true],
    [140, false],
  ])('%i ms and ten after the claim: %s', (ms, tooSoon) => {
    expect(isTooSoon(restarts(beside().picksUp(1)).picksUp(2).wait(ms).completed())).toBe(tooSoon);
  });

  test('of two files, not of one', () => {
    const run = (files: number): RunBuilder => restarts(beside({ files }).picksUp(1)).picksUp(2).completed();
    expect(isTooSoon(run(2))).toBe(true);
    expect(isTooSoon(run(1))).toBe(false);
  });

  test('a witness that ended only after the strike, or never, is no measure', () => {
    const late = (end: (run: RunBuilder) => RunBuilder): RunBuilder => {
      const run = aRun().job('witness-ended').picksUp(1).job().submitted().picksUp(1).strike();
      return end(run.of('witness-ended').wait(300)).of('subject').gone().starts(2).ready(2);
    };
    expect(
      isTooSoon(
        late((run) => run.completed(1))
          .picksUp(2)
          .completed(),
      ),
    ).toBe(false);
    expect(
      isTooSoon(
        late((run) => run)
          .picksUp(2)
          .completed(),
      ),
    ).toBe(false);
  });

  test.each([
    [119, true],
    [120, false],
  ])('the struck worker had it for %i ms and thirty: %s', (ms, tooSoon) => {
    expect(isTooSoon(restarts(beside().picksUp(1).wait(ms)).picksUp(2).completed())).toBe(tooSoon);
  });

  test('a polite stop leaves it the time until it is gone, a crash does not', () => {
    const run = (polite: boolean): RunBuilder =>
      beside({ polite }).picksUp(1).strike().wait(500).gone().starts(2).ready(2).picksUp(2).completed();
    expect(isTooSoon(run(true))).toBe(false);
    expect(isTooSoon(run(false))).toBe(true);
  });

  test.each([
    [109, true],
    [110, false],
  ])('an old worker that ends it %i ms and forty after it took it: %s', (ms, tooSoon) => {
    const run = beside({ polite: true }).picksUp(1).strike().wait(ms).completed(1).wait(500);
    expect(isTooSoon(run.gone().starts(2).ready(2))).toBe(tooSoon);
  });

  test('how long the struck worker had it is not known of one that had not taken it', () => {
    expect(
      isTooSoon(
        restarts(beside({ strikeAt: 'pending' }))
          .picksUp(2)
          .completed(),
      ),
    ).toBe(false);
  });
});
