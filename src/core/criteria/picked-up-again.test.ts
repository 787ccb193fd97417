import { describe, expect, test } from 'vitest';
import type { RowValues } from '../event.ts';
import { createHistory } from '../history.ts';
import {
  aRun,
  handedOver,
  inFlight,
  restarted,
  type RunBuilder,
  type RunOptions,
} from '../../testing/history-builder.ts';
import { diagnosedAs, findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'picked-up-again');
}

describe('passed', () => {
  test('a later worker’s write that shows work', () => {
    const history = handedOver().end();
    expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-write');
    expect(findingOf(history, 'picked-up-by-write')).toMatchObject({
      incarnation: 2,
      by: 'application-name',
    });
  });

  test('by polling, on the proof that nothing of the old worker was left', () => {
    const history = handedOver({ source: 'poll' }).end();
    expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-write');
    expect(findingOf(history, 'picked-up-by-write')).toMatchObject({ incarnation: 2, by: 'absence' });
  });

  test('a new task id, where the writer cannot be told', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll', broker: false }).strike();
    const goneAtMs = run
      .gone('connections', true)
      .events.findLast(({ kind }) => kind === 'worker:gone')!.atMs;
    const claimed = run.starts(2).row({ taskId: 'task-2' }, 2).events.at(-1)!;
    const history = run.completed().end();
    expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-task');
    expect(findingOf(history, 'picked-up-by-task')).toMatchObject({
      before: 'task-of-1',
      after: 'task-2',
      afterMs: claimed.atMs - goneAtMs,
    });
  });

  test('a further delivery and a write, where the row shows no claim', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll' })
      .strike()
      .gone('connections', true)
      .starts(2);
    const history = run.delivered(2).progress(40).completed().end();
    expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-broker');
    expect(findingOf(history, 'picked-up-by-broker')).toMatchObject({ deliveries: 2 });
  });

  test('a job whose only write after the redelivery is its failure', () => {
    const run = restarted({ fileMode: 'missing' })
      .delivered(2)
      .row({ status: 'failed', error: 'no such file' }, 2);
    expect(seen(run.looks())).toBe('passed picked-up-by-broker');
  });

  test('a worker that claims again without a trace and fails: the claim counts with its end', () => {
    const run = restarted({ broker: false, fileMode: 'missing' }).row({}, 2).failed('no such file', 2);
    expect(seen(run)).toBe('passed picked-up-by-write');
  });

  test('struck while it was pending', () => {
    const run = aRun({ strikeAt: 'pending' })
      .job()
      .submitted()
      .strike()
      .gone()
      .starts(2)
      .picksUp(2)
      .completed();
    expect(seen(run)).toBe('passed picked-up-by-write');
  });

  test('a hand-back through pending', () => {
    const run = inFlight({ polite: true }).strike().row({ status: 'pending' }, 1).gone().starts(2).picksUp(2);
    expect(seen(run.completed())).toBe('passed picked-up-by-write');
  });
});

test('a person’s time to think is not counted', () => {
  const run = inFlight({ restartBy: 'operator', named: false })
    .strike()
    .wait(60_000)
    .gone()
    .wait(500)
    .starts(2);
  const history = run.picksUp(2).completed().end();
  expect(findingOf(history, 'picked-up-by-write')).toMatchObject({ afterMs: 550 });
});

test('skipped where the old worker finished the job and left', () => {
  const run = inFlight({ polite: true }).strike().completed().gone().starts(2).ready(2);
  expect(seen(run)).toBe('skipped drained-so-not-exercised');
});

describe('failed', () => {
  test('nobody came', () => {
    const history = restarted().timesOut().end();
    expect(judgedAs(history, 'picked-up-again')).toBe('failed nobody-picked-up');
    expect(findingOf(history, 'nobody-picked-up')).toMatchObject({
      broker: 'the broker counts it as held by token-of-1',
    });
  });

  test('handed out again, and nothing was done', () => {
    const run = restarted().delivered(2).broker({ state: 'ended', owner: null }).timesOut();
    expect(seen(run)).toBe('failed handed-out-without-work');
  });

  test('struck while it was pending: that the old worker was handed it in between is no redelivery', () => {
    const run = aRun({ strikeAt: 'pending' })
      .job()
      .submitted()
      .strike()
      .delivered(1)
      .gone()
      .starts(2)
      .ready(2);
    expect(seen(run.timesOut())).toBe('failed nobody-picked-up');
  });

  test('a recovery that only puts it back to pending', () => {
    expect(seen(restarted().row({ status: 'pending' }, 2).timesOut())).toBe('failed nobody-picked-up');
    const sentAnew = restarted().row({ status: 'pending', taskId: 'message-2' }, 2);
    expect(seen(sentAnew.timesOut())).toBe('failed nobody-picked-up');
  });

  test('a status that is not configured was left before the old worker had gone', () => {
    const run = aRun().job().submitted().row({ status: 'reserved' }, 1).picksUp(1).strike().gone();
    expect(seen(run.starts(2).ready(2).timesOut())).toBe('failed nobody-picked-up');
  });

  test('a new worker that fails it when it starts, while the broker still has it for the dead', () => {
    const run = restarted().row({ status: 'failed', error: 'interrupted', taskId: null }, 2).wait(30).looks();
    const history = run.delivered(2).broker({ state: 'ended' }).end();
    expect(judgedAs(history, 'picked-up-again')).toBe('failed ended-unworked');
    expect(findingOf(history, 'ended-unworked')).toMatchObject({ state: 'failed', incarnation: 2 });
  });

  test('the same where it is marked completed', () => {
    expect(seen(restarted().row({ status: 'completed' }, 2).looks())).toBe('failed ended-unworked');
  });

  test('the same where it claims the files that were left', () => {
    const run = restarted().row({ status: 'completed', progress: 100 }, 2).wait(30).looks();
    expect(seen(run.delivered(2).broker({ state: 'ended' }))).toBe('failed ended-unworked');
  });

  test('a new worker that died at once, whatever the broker still means to do', () => {
    const run = inFlight().strike().gone().starts(2).exits(2, 1);
    expect(seen(run.broker({ due: { kind: 'at', atMs: 99_000 } }))).toBe('failed nobody-picked-up');
  });
});

describe('inconclusive', () => {
  test.each([
    ['there was no restart', (run: RunBuilder) => run.completed(), 'no-restart'],
    ['the old worker ended it', (run: RunBuilder) => run.strike().completed().gone(), 'nothing-to-pick-up'],
    ['it was not in flight', (run: RunBuilder) => run.completed().strike().gone(), 'nothing-to-pick-up'],
    [
      'the old worker was not seen to go',
      (run: RunBuilder) => run.strike().timesOut(),
      'worker-not-seen-gone',
    ],
    [
      'a status that is not configured may be work, or wait for it',
      (run: RunBuilder) => run.strike().gone().row({ status: 'pending' }, 2).row({ status: 'reserved' }, 2),
      'status-not-mapped',
    ],
  ])('%s', (_name, happens, code) => {
    expect(seen(happens(inFlight()))).toBe(`inconclusive ${code}`);
  });

  test.each([
    ['at a time after the end', { kind: 'at', atMs: 500_000 }],
    ['at the next boot', { kind: 'next-boot' }],
  ] as const)('the broker hands it out %s', (_name, due) => {
    expect(seen(restarted().broker({ due }).timesOut())).toBe('inconclusive not-due-yet');
  });

  test('the lock of the dead outlives the run, and the broker tells no due time', () => {
    expect(seen(restarted().broker({ lockUntilMs: 500_000 }).timesOut())).toBe('inconclusive not-due-yet');
  });

  test.each([
    ['at a time that has passed', { kind: 'at', atMs: 2_000 }],
    ['never', { kind: 'never' }],
    ['now', { kind: 'now' }],
  ] as const)('… but not where it was due %s', (_name, due) => {
    expect(seen(restarted().broker({ due }).timesOut())).toBe('failed nobody-picked-up');
  });

  test('a worker ended it before it was ready, and the redelivery came so soon that no look lies in between', () => {
    const starting = (): RunBuilder => inFlight().strike().gone().starts(2);
    const handedOut = (run: RunBuilder): RunBuilder => run.delivered(2).broker({ state: 'ended' }).ready(2);
    const failed = handedOut(starting().row({ status: 'failed', error: 'interrupted' }, 2));
    expect(seen(failed)).toBe('inconclusive ended-without-work-shown');
    expect(
      diagnosedAs(
        handedOut(starting().row({ status: 'failed' }, 2))
          .job('control')
          .picksUp(2)
          .completed()
          .end(),
      ),
    ).toContain('failed-at-boot');
    const completed = handedOut(starting().row({ status: 'completed', progress: 100 }, 2));
    expect(seen(completed)).toBe('inconclusive ended-without-work-shown');
    // Its claim tells that it works, whatever is said of its start.
    expect(seen(starting().picksUp(2).ready(2).completed())).toBe('passed picked-up-by-write');
  });

  test('a later worker ended it without a trace of work, and the broker cannot be asked', () => {
    const run = restarted({ broker: false }).row({ status: 'failed', error: 'interrupted' }, 2);
    expect(seen(run)).toBe('inconclusive ended-without-work-shown');
  });

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
          const early = aRun()
            .job('witness-ended')
            .picksUp(1)
            .wait(300)
            .completed()
            .job()
            .without('progress');
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

  test('written by an unknown connection while the broker still counts the job to the dead', () => {
    const run = aRun({ named: false })
      .job()
      .submitted()
      .picksUp(1)
      .progress(20)
      .strike()
      .gone()
      .starts(2)
      .ready(2);
    run.row({ progress: 40 }, 'orphan').wait(30).looks().row({ progress: 60 }, 'orphan').wait(30).looks();
    expect(seen(run.timesOut())).toBe('inconclusive written-undelivered');
  });

  test('it was cancelled', () => {
    expect(seen(restarted().row({ status: 'cancelled' }, 'psql'))).toBe('inconclusive cancelled-by-others');
  });

  test('a later worker touched the row and no more', () => {
    expect(seen(restarted().row({}, 2).timesOut())).toBe('inconclusive only-touched');
    const byItsConnection = restarted({ named: false }).row({}, 2).wait(30).looks();
    expect(seen(byItsConnection.timesOut())).toBe('inconclusive only-touched');
  });

  test('it touched the row when it started, and its redelivery was no work', () => {
    const starting = inFlight().strike().gone().starts(2).row({}, 2).ready(2);
    expect(seen(starting.delivered(2).acks().timesOut())).toBe('inconclusive only-touched');
    const before = restarted().row({}, 2).wait(30).looks();
    expect(seen(before.delivered(2).acks().timesOut())).toBe('inconclusive only-touched');
  });

  test('somebody ended it while the old worker went away', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll' }).strike().completed().gone();
    expect(seen(run.starts(2))).toBe('inconclusive ended-while-stopping');
  });

  test('it was touched and ended, by whom cannot be told', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll', broker: false }).strike();
    run.gone('connections', true).starts(2).row({}, 2).failed('interrupted', 2);
    expect(seen(run)).toBe('inconclusive ended-without-work-shown');
  });

  test('it went on, by whom cannot be told', () => {
    const run = inFlight({ restartBy: 'operator', named: false, broker: false })
      .strike()
      .row({ progress: 25 }, 'x');
    expect(seen(run.gone('connections', true).starts(2).row({ progress: 40 }, 'x').timesOut())).toBe(
      'inconclusive unattributed-writes',
    );
  });

  test('the hold may have kept it from being taken up', () => {
    const run = inFlight({ restartBy: 'operator', named: false });
    run.event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 }).strike();
    run.event({ kind: 'hold:broken', job: 'job-1', reason: 'terminated' }).gone().starts(2);
    expect(seen(run.timesOut())).toBe('inconclusive hold-broken');
  });

  test('the history breaks off before anybody could have come', () => {
    expect(judgedAs(restarted().history(), 'picked-up-again')).toBe('inconclusive history-breaks-off');
  });

  test('the run was interrupted', () => {
    const run = restarted().event({ kind: 'run:aborted', reason: 'interrupted', text: 'interrupted' });
    expect(seen(run)).toBe('inconclusive history-breaks-off');
  });

  test('the row changed without being recorded', () => {
    const run = restarted().event({ kind: 'observer:checked', job: 'job-1', complete: false, versions: 4 });
    expect(seen(run.timesOut())).toBe('inconclusive history-breaks-off');
  });
});

describe('whose writes count', () => {
  const byHidden = { named: false, pooled: true, restartBy: 'operator' } as const;

  test('not those of the worker that was struck, or of somebody who is no worker of the run', () => {
    const dead = inFlight().strike().gone().starts(2).ready(2).row({ taskId: 'another' }, 1);
    expect(seen(dead.timesOut())).not.toMatch(/^passed/);
    const stranger = restarted().row({ taskId: 'another' }, 'somebody').delivered(2);
    expect(seen(stranger.timesOut())).not.toMatch(/^passed/);
  });

  test('a task id that replaces another, not the first one there ever was', () => {
    const run = (taskId: string | null): RunBuilder =>
      inFlight({ ...byHidden, source: 'poll' })
        .row({ taskId }, 1)
        .strike()
        .gone('processes', false)
        .starts(2)
        .row({ taskId: 'the next' }, 2);
    const history = run('the first').timesOut().end();
    expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-task');
    expect(findingOf(history, 'picked-up-by-task')).toMatchObject({ before: 'the first', after: 'the next' });
    expect(seen(run(null).timesOut())).not.toContain('picked-up-by-task');
  });

  test('the time is that from the strike', () => {
    const history = inFlight({ restartBy: 'command', source: 'poll' })
      .strike()
      .gone('processes', false)
      .starts(2)
      .delivered(2)
      .progress(40)
      .end();
    const [fault] = history.of('fault:injected');
    const write = history.of('row:version').findLast(({ source }) => source !== 'read');
    expect(findingOf(history, 'picked-up-by-broker')).toMatchObject({ afterMs: write!.atMs - fault!.atMs });
  });
});
