import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
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

test('three seconds after the end of the job a worker did not leave with it', () => {
  const left = (ms: number): readonly string[] =>
    causes(inFlight({ restartBy: 'operator' }).strike().completed().wait(ms).gone().starts(2));
  expect(left(2_979)).toEqual(['stopped-politely']);
  expect(left(2_980)).toEqual(['ended-before-restart']);
});

test('it is said whether the job was held or could not be, and who restarted', () => {
  const ended = (held: boolean | 'refused'): unknown => {
    const run = inFlight({ restartBy: 'operator' });
    if (held === true) run.event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 });
    if (held === 'refused') run.event({ kind: 'hold:refused', job: 'job-1', reason: 'it has a lease' });
    return valuesOfDiagnosis(run.completed().strike().gone().end(), 'ended-before-restart');
  };
  expect(ended(true)).toEqual({ hold: 1, by: 'operator' });
  expect(ended(false)).toEqual({ hold: 0, by: 'operator' });
  expect(ended('refused')).toEqual({ hold: 0, by: 'operator', refused: 1 });
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

  test('and the row was deleted, or there is no broker to ask', () => {
    const values = (run: RunBuilder) => valuesOfDiagnosis(waited(run).end(), 'strike-never-came');
    expect(values(pickedUp().deletes('psql'))).toMatchObject({ status: 'gone', progress: null });
    const unasked = aRun({ broker: false }).job().submitted().picksUp(1);
    expect(values(unasked)).toEqual({ strikeAt: 'progress', status: 'processing', progress: 0 });
  });

  test('is told by its own note alone, whatever else was noted', () => {
    const other = { kind: 'note', code: 'witness-slow', text: 'it took long' } as const;
    expect(causes(pickedUp().event(other))).toEqual([]);
    expect(causes(waited(pickedUp().event(other)))).toEqual(['strike-never-came']);
  });

  test('not where it came', () => {
    expect(causes(waited(restarted().picksUp(2)).timesOut())).toEqual(['stuck-after-pickup']);
  });
});

describe('the worker', () => {
  test('died by itself before the strike, which is told of the struck one', () => {
    const run = inFlight().exits(2, 7, 'the other').exits(1, 1, 'out of memory').strike().gone().starts(2);
    expect(judge(run.picksUp(2).completed().end()).diagnoses).toEqual([
      {
        id: 'died-before-strike',
        values: { incarnation: 1, exitCode: 1, signal: null, lastLine: 'out of memory' },
      },
    ]);
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

describe('a status that nothing maps', () => {
  test('is named where it may be the reason', () => {
    const history = restarted().row({ status: 'archived' }, 2).timesOut().end();
    expect(diagnosedAs(history)).toEqual(['status-not-mapped']);
    expect(valuesOfDiagnosis(history, 'status-not-mapped')).toEqual({ status: 'archived' });
    const early = inFlight().row({ status: 'archiving' }, 1).completed();
    expect(causes(early)).toEqual(['status-not-mapped', 'ended-before-restart']);
  });

  test('is not where all went well', () => {
    const run = restarted().picksUp(2).row({ status: 'archiving' }, 2).progress(60).completed();
    expect(causes(run)).toEqual([]);
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

  test('… by how they were observed', () => {
    const observed = (pooled: boolean): unknown => {
      const run = inFlight({ restartBy: 'operator', source: 'poll', pooled }).strike();
      run.gone('processes', false).starts(2).progress(40);
      return valuesOfDiagnosis(run.end(), 'writers-unknown');
    };
    expect(observed(false)).toEqual({ source: 'poll', pooled: 0 });
    expect(observed(true)).toEqual({ source: 'poll', pooled: 1 });
  });

  test('whether the files were done, where that went faster than one of them takes', () => {
    const slow = aRun().job().submitted().picksUp(1).wait(300).progress(20).strike().gone().starts(2);
    expect(causes(slow.ready(2).picksUp(2).completed())).toEqual(['effects-unknown']);
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
