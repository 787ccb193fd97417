import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';
import { judge } from '../report.ts';

function causes(run: RunBuilder): readonly string[] {
  return diagnosedAs(run.end());
}

const byOperator = { restartBy: 'operator', named: false } as const;

describe('it ended, or was given back, before it could be interrupted', () => {
  test('before the strike', () => {
    expect(causes(inFlight().completed())).toEqual(['ended-before-restart']);
  });

  test('between the strike and the end of the worker', () => {
    expect(causes(inFlight().strike().completed().gone().starts(2))).toEqual(['ended-before-restart']);
  });

  test('by a person’s worker that left as soon as it had ended: it was asked politely', () => {
    expect(causes(inFlight(byOperator).strike().completed().wait(100).gone().starts(2))).toEqual([
      'stopped-politely',
    ]);
  });

  test('by a person’s worker long before they killed it: they were late', () => {
    expect(causes(inFlight(byOperator).strike().completed().wait(9_000).gone().starts(2))).toEqual([
      'ended-before-restart',
    ]);
  });

  test('put back to pending', () => {
    const run = inFlight(byOperator)
      .strike()
      .row({ status: 'pending' }, 1)
      .gone()
      .starts(2)
      .picksUp(2)
      .completed();
    expect(causes(run)).toEqual(['stopped-politely']);
  });
});

describe('the moment to strike never came', () => {
  const waited = (run: RunBuilder): RunBuilder =>
    run.wait(120_000).event({ kind: 'note', code: 'moment-never-came', text: 'it never came' });
  const found = (run: RunBuilder) => judge(run.end()).diagnoses;
  const pickedUp = (): RunBuilder => aRun().job().submitted().picksUp(1);

  test('and the queue counts the job as done', () => {
    expect(found(waited(pickedUp().acks()))).toEqual([
      {
        id: 'strike-never-came',
        values: {
          strikeAt: 'progress',
          status: 'processing',
          progress: 0,
          broker: 'the broker counts it as finished',
        },
      },
    ]);
  });

  test('and the row was never touched', () => {
    const run = aRun({ strikeAt: 'retrying' }).job().submitted().acks();
    expect(found(waited(run))).toMatchObject([{ id: 'strike-never-came', values: { status: 'pending' } }]);
  });

  test('and a worker holds the job still', () => {
    expect(found(waited(pickedUp()))).toEqual([
      {
        id: 'strike-never-came',
        values: { strikeAt: 'progress', status: 'processing', progress: 0 },
      },
    ]);
  });

  test('not where the job ended: that is the reason then', () => {
    expect(causes(waited(inFlight().completed()))).toEqual(['ended-before-restart']);
  });

  test('not where it came', () => {
    expect(causes(waited(restarted().picksUp(2)).completed())).not.toContain('strike-never-came');
  });
});

describe('the worker', () => {
  const stillThere = (run: RunBuilder): RunBuilder =>
    run.event({ kind: 'worker:still-there', incarnation: 1, pids: [4001], connections: [] });

  test('was not restarted by the person who was asked', () => {
    expect(causes(stillThere(inFlight(byOperator).strike()).completed())).toEqual(['worker-not-restarted']);
  });

  test('… or by the command', () => {
    const run = stillThere(inFlight({ restartBy: 'command', named: false }).strike()).completed();
    expect(judge(run.end()).diagnoses).toEqual([
      { id: 'worker-not-restarted', values: { pids: '4001', by: 'command' } },
    ]);
  });

  test('swallowed the signal', () => {
    const run = stillThere(inFlight({ polite: true }).strike()).completed();
    expect(judge(run.end()).diagnoses).toEqual([
      { id: 'signal-swallowed', values: { signal: 'SIGTERM', pids: '4001' } },
    ]);
  });

  test('was started by something that took the signal, went, and did not pass it on', () => {
    const left = { kind: 'worker:still-there', incarnation: 1, pids: [4100], connections: [] } as const;
    const politely = inFlight({ polite: true }).strike().event(left).completed();
    expect(judge(politely.end()).diagnoses).toMatchObject([
      { id: 'signal-swallowed', values: { signal: 'SIGTERM', pids: '4100', passedOn: 0 } },
      { id: 'orphan-children' },
    ]);
    expect(causes(inFlight().strike().event(left).completed())).toEqual(['orphan-children']);
  });

  test('only reconnected', () => {
    expect(causes(inFlight(byOperator).strike().gone('connections', false).starts(2).ready(2))).toContain(
      'worker-not-restarted',
    );
  });

  test('died by itself before the strike', () => {
    const run = inFlight().exits(1, 1, 'out of memory').strike().gone().starts(2).picksUp(2).completed();
    expect(judge(run.end()).diagnoses).toEqual([
      {
        id: 'died-before-strike',
        values: { incarnation: 1, exitCode: 1, signal: null, lastLine: 'out of memory' },
      },
    ]);
  });

  test('left a part of it behind that goes on writing', () => {
    expect(causes(restarted().progress(40, 1).progress(60, 1).completed(1))).toEqual(['orphan-children']);
  });

  test('was killed, and what works for it was none of its processes', () => {
    const goesOn = (ms: number): RunBuilder =>
      inFlight().strike().wait(ms).progress(60, 1).completed(1).gone();
    expect(causes(goesOn(700).starts(2).ready(2))).toEqual(['orphan-children']);
    // What the server was still busy with is all of one transaction, or comes at once.
    expect(causes(goesOn(50).starts(2).ready(2))).toEqual(['ended-before-restart']);
  });

  test('was not the one that held the job', () => {
    expect(causes(inFlight().progress(40, 9).strike().gone().starts(2).picksUp(10).completed())).toEqual([
      'another-worker',
    ]);
  });

  test('has no successor', () => {
    expect(causes(inFlight(byOperator).strike().gone())).toContain('no-successor');
  });
});

describe('too little can be seen', () => {
  test('whose writes these are', () => {
    const run = inFlight({ ...byOperator, broker: false })
      .strike()
      .row({ progress: 25 }, 'x');
    run.gone('connections', true).starts(2).ready(2).row({ progress: 40 }, 'x').timesOut();
    expect(causes(run)).toContain('writers-unknown');
  });

  test('whether anybody worked', () => {
    expect(
      causes(restarted({ broker: false }).row({ status: 'failed', error: 'x', completedAt: null }, 2)),
    ).toContain('work-not-shown');
  });

  test('how it ends without a restart', () => {
    expect(causes(restarted().picksUp(2).failed('x'))).toEqual(['expected-end-unknown']);
  });

  test('because of the hold', () => {
    const run = inFlight(byOperator).event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 }).strike();
    run
      .event({ kind: 'hold:broken', job: 'job-1', reason: 'terminated' })
      .gone()
      .starts(2)
      .picksUp(2)
      .completed();
    expect(causes(run)).toEqual(['hold-hurt']);
  });

  test('the job was not in flight, with its status', () => {
    const run = aRun()
      .job()
      .submitted()
      .picksUp(1)
      .row({ status: 'paused' }, 1)
      .broker({ state: 'delayed' })
      .strike();
    expect(judge(run.gone().starts(2).picksUp(2).completed().end()).diagnoses).toEqual([
      { id: 'status-not-mapped', values: { status: 'paused' } },
      { id: 'not-in-flight', values: { strikeAt: 'progress', status: 'paused' } },
    ]);
  });
});

test('a pass needs no cause', () => {
  expect(causes(handedOver())).toEqual([]);
});
