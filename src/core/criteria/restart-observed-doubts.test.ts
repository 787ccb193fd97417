/** What leaves it in doubt that the restart hit a job in flight, and that its worker went away for good. */
import { describe, expect, test } from 'vitest';
import { connectionOf } from '../attribution.ts';
import type { QueueFacts } from '../event.ts';
import { createHistory } from '../history.ts';
import { aRun, inFlight, restarted, processOf, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'restart-observed');
}

describe('inconclusive: the wrong worker, or none', () => {
  test('another worker holds the job', () => {
    expect(seen(inFlight().progress(40, 9).strike().gone().starts(2).picksUp(10).completed())).toBe(
      'inconclusive holder-not-struck',
    );
  });

  test('the holder of a person’s queue could not be found out', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll' });
    run.event({ kind: 'operator:asked', attempt: 1 });
    expect(seen(run.gone().starts(2).picksUp(2).completed())).toBe('inconclusive holder-unknown');
  });

  test('it is still there', () => {
    const run = inFlight({ restartBy: 'operator', named: false }).strike();
    run.event({ kind: 'worker:still-there', incarnation: 1, pids: [4001], connections: [] });
    const history = run.completed().end();
    expect(judgedAs(history, 'restart-observed')).toBe('inconclusive worker-still-there');
    expect(findingOf(history, 'worker-still-there')).toMatchObject({ pids: '4001' });
  });

  test('it was not seen to go', () => {
    expect(seen(inFlight().strike())).toBe('inconclusive worker-not-seen-gone');
  });

  test('only its connection to the broker is new, the one to the database lives on', () => {
    const options = { restartBy: 'operator', named: false } as const;
    expect(seen(inFlight(options).strike().gone('connections', false).starts(2).ready(2))).toBe(
      'inconclusive connection-lives-on',
    );
    expect(seen(inFlight(options).strike().gone('connections', true).wait(100).starts(2).picksUp(2))).toMatch(
      /^passed/,
    );
  });

  test('a part of it went on writing', () => {
    const history = restarted().progress(40, 1).progress(60, 1).completed(1).end();
    expect(judgedAs(history, 'restart-observed')).toBe('inconclusive write-after-gone');
  });

  test('a part of it went on after all of it was killed, and was waited for', () => {
    const run = inFlight().strike().wait(600).progress(60, 1).progress(80, 1).gone().starts(2).ready(2);
    const history = run.picksUp(2).completed().end();
    expect(judgedAs(history, 'restart-observed')).toBe('inconclusive work-after-kill');
    expect(findingOf(history, 'work-after-kill')).toMatchObject({ incarnation: 1, writes: 2 });
    expect(diagnosedAs(history)).toEqual(['orphan-children']);
  });

  test('the statement that the server was still busy with is no sign of life; a second one is', () => {
    const run = (): RunBuilder => inFlight().strike().gone('processes', false).starts(2).progress(40, 1);
    expect(seen(run().picksUp(2).completed())).toMatch(/^passed/);
    expect(seen(run().progress(60, 1).picksUp(2).completed())).toBe('inconclusive write-after-gone');
  });

  test('a new worker that only started, and a write by a connection that names nobody', () => {
    const run = inFlight({ named: false }).strike().gone().starts(2).picksUp(2).completed();
    expect(seen(run)).toBe('inconclusive no-new-worker');
  });

  test('… until a process is found at its other end', () => {
    const run = inFlight({ named: false }).strike().gone().starts(2);
    run.event({
      kind: 'worker:processes',
      incarnation: 2,
      mainPid: 4002,
      processes: [processOf(4002)],
    });
    const { writer } = run.picksUp(2).history().of('row:version').at(-1)!;
    const connection = { id: connectionOf(writer!), name: 'my-worker', address: null, port: null, pid: 4002 };
    run.event({ kind: 'presence:snapshot', reason: 'later', database: [connection], broker: [] });
    const history = run.completed().end();
    expect(judgedAs(history, 'restart-observed')).toBe('passed struck-in-flight worker-gone new-worker');
    expect(findingOf(history, 'new-worker')).toMatchObject({ incarnation: 2 });
  });

  test('no new worker came', () => {
    expect(seen(inFlight({ restartBy: 'operator', named: false }).strike().gone())).toBe(
      'inconclusive no-new-worker',
    );
  });
});

describe('inconclusive: it was no crash', () => {
  test('the old worker finished the job', () => {
    expect(seen(inFlight().strike().progress(40).completed().gone().starts(2))).toBe(
      'inconclusive ended-by-old-worker',
    );
  });

  test('somebody finished it while the old worker went away', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll' }).strike().completed().gone().starts(2);
    expect(seen(run)).toBe('inconclusive ended-while-stopping');
  });

  test('the old worker put it back', () => {
    const run = inFlight().strike().row({ status: 'pending' }, 1).gone().starts(2).picksUp(2).completed();
    expect(seen(run)).toBe('inconclusive handed-back-politely');
  });

  test('it was put back while the old worker went away, by whom is not seen', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll' }).strike().row({ status: 'pending' }, 1);
    expect(seen(run.gone().starts(2).picksUp(2).completed())).toBe('inconclusive handed-back-politely');
  });

  test('the broker has it waiting though the lock of the dead had not run out', () => {
    const run = inFlight({ restartBy: 'operator', named: false }).broker({ lockUntilMs: 30_000 }).strike();
    run.broker({ state: 'waiting', owner: null, lockUntilMs: null });
    expect(seen(run.gone().starts(2).picksUp(2).completed())).toBe('inconclusive handed-back-politely');
  });

  test('… or though only a living worker puts back what a lost one held, and none was there', () => {
    const waits = (facts: QueueFacts): RunBuilder =>
      inFlight()
        .broker({ lockUntilMs: null })
        .strike()
        .broker({ state: 'waiting', owner: null, facts })
        .gone();
    const goesOn = (run: RunBuilder): RunBuilder => run.starts(2).ready(2).picksUp(2).completed();
    expect(seen(goesOn(waits({ workersConnected: 0 })))).toBe('inconclusive handed-back-politely');
    expect(seen(goesOn(waits({ workersConnected: 1 })))).toMatch(/^passed/);
  });

  test('a lock that ends in the very moment of the look is over', () => {
    const handed = (lockUntilMs: number): RunBuilder => {
      const run = inFlight().broker({ lockUntilMs }).strike().broker({ state: 'waiting', owner: null });
      return run.gone().starts(2).ready(2).picksUp(2).completed();
    };
    const { events } = handed(0);
    const gone = events.findIndex(({ kind }) => kind === 'worker:gone');
    const look = events.slice(gone).find(({ kind }) => kind === 'broker:snapshot');
    expect(seen(handed(look!.atMs))).toMatch(/^passed/);
  });

  test('a recovery that puts it back is none of the old worker’s', () => {
    expect(seen(restarted().row({ status: 'pending' }, 2).picksUp(2).completed())).toMatch(/^passed/);
  });
});

describe('inconclusive: the hold', () => {
  const held = (): RunBuilder =>
    inFlight({ restartBy: 'operator', named: false }).event({
      kind: 'hold:placed',
      job: 'job-1',
      backendPid: 1,
    });

  test('was broken', () => {
    const run = held().strike().event({ kind: 'hold:broken', job: 'job-1', reason: 'terminated' });
    expect(seen(run.gone().starts(2).picksUp(2).completed())).toBe('inconclusive hold-broken');
  });

  test('made the worker’s statement run out of time', () => {
    const run = held().strike().gone().starts(2).picksUp(2);
    expect(seen(run.failed('canceling statement due to lock timeout'))).toBe('inconclusive hold-hurt');
  });

  test('had not begun when the worker ran out of time', () => {
    const run = inFlight({ restartBy: 'operator', named: false }).row({ error: 'lock timeout' }, 1);
    run.event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 }).row({ error: null }, 1).strike().gone();
    expect(seen(run.starts(2).picksUp(2).completed())).toMatch(/^passed/);
  });

  test('kept back the end that the dead had written', () => {
    const run = held().strike().gone().starts(2).completed(1);
    const { writer } = run.history().of('row:version').at(-1)!;
    run.event({
      kind: 'hold:released',
      job: 'job-1',
      heldMs: 5,
      terminatedBackends: [],
      leftBackends: [writer!.backendPid],
    });
    expect(seen(run)).toBe('inconclusive ended-by-old-worker');
  });

  test('kept back a write that changes nothing of the verdict', () => {
    const run = held().strike().gone().starts(2).progress(40, 1);
    const { writer } = run.history().of('row:version').at(-1)!;
    run.event({
      kind: 'hold:released',
      job: 'job-1',
      heldMs: 5,
      terminatedBackends: [],
      leftBackends: [writer!.backendPid],
    });
    expect(seen(run.picksUp(2).completed())).toMatch(/^passed/);
  });
});

describe('ends of workers that are not the struck one’s', () => {
  test('another worker that ended before, or the struck one afterwards', () => {
    const before = inFlight().exits(2, 1).strike().gone().starts(2).ready(2).picksUp(2).completed();
    expect(seen(before)).toMatch(/^passed/);
    const after = inFlight().strike().exits(1, 137).gone().starts(2).ready(2).picksUp(2).completed();
    expect(seen(after)).toMatch(/^passed/);
  });
});

describe('a row that is put back to pending', () => {
  test('by a new worker before the old one was seen to go is no hand-back', () => {
    const run = inFlight().strike().starts(2).ready(2).row({ status: 'pending' }, 2).gone();
    expect(seen(run.picksUp(2).completed())).toMatch(/^passed/);
  });

  test('by somebody unknown after the old one was gone is none either', () => {
    const run = inFlight({ source: 'poll' }).strike().gone('processes', false).starts(2).ready(2);
    expect(seen(run.row({ status: 'pending' }, 2).picksUp(2).completed())).not.toContain('handed-back');
  });
});

test('a holder that was looked for and not found is not known', () => {
  const { events } = inFlight({ restartBy: 'operator', source: 'poll' }).strike().gone().starts(2).end();
  const unfound = events.map((event) =>
    event.kind === 'holder:identified' ? { ...event, pid: null, main: null } : event,
  );
  expect(judgedAs(createHistory(unfound), 'restart-observed')).toBe('inconclusive holder-unknown');
});

test('files that are done while nobody new has been handed the job, and by whom is not seen', () => {
  const polled = (): RunBuilder =>
    aRun({ source: 'poll' }).job().submitted().picksUp(1).progress(20).strike().gone().starts(2).ready(2);
  const goesOn = polled().progress(40, 'executor').wait(30).looks();
  expect(seen(goesOn.picksUp(2).progress(60).completed())).toBe('inconclusive written-undelivered');
  const noted = polled().row({ error: 'still waiting' }, 'monitor').wait(30).looks();
  expect(seen(noted.picksUp(2).progress(60).completed())).toMatch(/^passed /);
  expect(seen(polled().picksUp(2).progress(40).completed())).toMatch(/^passed /);
});
