import { describe, expect, test } from 'vitest';
import { createHistory } from '../history.ts';
import {
  aRun,
  handedOver,
  inFlight,
  restarted,
  processOf,
  type RunBuilder,
  type RunOptions,
} from '../../testing/history-builder.ts';
import { diagnosedAs, findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'restart-observed');
}

describe('passed', () => {
  test('a crash in flight, the worker gone, a new one there', () => {
    const history = handedOver().end();
    expect(judgedAs(history, 'restart-observed')).toBe('passed struck-in-flight worker-gone new-worker');
    expect(findingOf(history, 'struck-in-flight')).toMatchObject({
      fault: 'SIGKILL (tree)',
      incarnation: 1,
      state: 'processing',
      progress: 20,
    });
  });

  test.each([
    ['named workers', {}],
    ['workers with a name of their own', { named: false }],
    ['polling', { source: 'poll' }],
    ['a pooler', { pooled: true, named: false }],
    ['a broker that cannot be asked', { broker: false }],
  ] as const)('also with %s', (_name, options) => {
    expect(seen(handedOver(options))).toBe('passed struck-in-flight worker-gone new-worker');
  });

  test('in flight by the broker, where one transaction hides the work', () => {
    const run = aRun().job().submitted().delivered(1).strike().gone().starts(2).delivered(2);
    expect(seen(run.row({ status: 'completed' }, 2))).toBe(
      'passed struck-in-flight in-flight-by-broker worker-gone new-worker',
    );
  });

  test('a drain, where the scenario is a polite one', () => {
    const run = inFlight({ polite: true }).strike().progress(40).completed().gone().starts(2).ready(2);
    expect(seen(run)).toBe('passed struck-in-flight worker-gone drained new-worker');
  });

  test('a polite hand-back through pending', () => {
    const run = inFlight({ polite: true })
      .strike()
      .row({ status: 'pending' }, 1)
      .broker({ state: 'waiting' });
    expect(seen(run.gone().starts(2).picksUp(2).completed())).toBe(
      'passed struck-in-flight worker-gone new-worker',
    );
  });

  test('a person’s restart', () => {
    const run = restarted({ restartBy: 'operator', named: false }).picksUp(2).completed();
    expect(seen(run)).toBe('passed restarted-in-flight worker-gone new-worker');
  });

  test('a new worker that dies at once is said, and is no doubt about the restart', () => {
    const run = inFlight().strike().gone().starts(2).exits(2, 1, 'pid file exists');
    expect(seen(run)).toBe('passed struck-in-flight worker-gone new-worker-died');
  });
});

describe('a person’s polite stop', () => {
  const left = (ms: number, options: RunOptions = { restartBy: 'operator', polite: true }): RunBuilder =>
    inFlight(options).strike().completed(1).wait(ms).gone().starts(2).ready(2);

  test('is a drain where the worker left with its job', () => {
    expect(seen(left(2_979))).toMatch(/^passed restarted-in-flight .*drained/);
  });

  test('came too late where the worker had ended its job and stayed', () => {
    const history = left(2_980).end();
    expect(judgedAs(history, 'restart-observed')).toBe('inconclusive ended-before-strike');
    expect(diagnosedAs(history)).toEqual(['ended-before-restart']);
  });

  test('is known to the moment where the harness made it, and a crash is none', () => {
    expect(seen(left(9_000, { polite: true }))).toMatch(/^passed struck-in-flight .*drained/);
    expect(seen(left(9_000, { restartBy: 'operator' }))).toBe('inconclusive ended-by-old-worker');
  });
});

test('while a person is on their way, what is not held goes on: it was struck where it stood then', () => {
  const on = (restartBy: 'operator' | 'auto'): RunBuilder =>
    inFlight({ restartBy, named: restartBy === 'auto' })
      .strike()
      .progress(40, 1)
      .gone()
      .starts(2);
  const asked = on('operator').picksUp(2).completed().end();
  expect(findingOf(asked, 'restarted-in-flight')).toMatchObject({ progress: 40 });
  expect(findingOf(on('auto').picksUp(2).completed().end(), 'struck-in-flight')).toMatchObject({
    progress: 20,
  });
});

describe('while no worker of the harness is there, and nobody is seen to write', () => {
  const on = (ms: number, options: RunOptions = {}): RunBuilder =>
    inFlight({ source: 'poll', broker: false, ...options })
      .strike()
      .gone()
      .wait(ms);
  const goesOn = (run: RunBuilder): RunBuilder => run.progress(40, 1);
  const ends = (run: RunBuilder): RunBuilder => run.starts(2).ready(2).picksUp(2).completed();

  test('a job that goes on is somebody else’s, or is seen late', () => {
    const run = ends(goesOn(on(600))).end();
    expect(judgedAs(run, 'restart-observed')).toBe('inconclusive written-by-nobody');
    expect(diagnosedAs(run)).toEqual(['another-worker']);
    expect(seen(on(600).row({ status: 'completed' }, 1).starts(2).ready(2))).toBe(
      'inconclusive written-by-nobody',
    );
  });

  test('what comes soon is what the dead had sent, and what comes later is the next worker’s', () => {
    expect(seen(ends(goesOn(on(300))))).toMatch(/^passed/);
    expect(seen(goesOn(on(600).starts(2)).ready(2).picksUp(2).completed())).toMatch(/^passed/);
  });

  test('what is written shows no work: a look at it, or a claim', () => {
    expect(seen(ends(on(600).row({ error: 'seen' }, 1)))).toMatch(/^passed/);
    expect(seen(on(600).deletes(1).starts(2).ready(2))).not.toMatch(/written-by-nobody/);
  });

  test('or whose it was is seen', () => {
    const run = inFlight({ source: 'trigger' }).strike().gone().wait(600).row({ progress: 40 }, 2);
    expect(seen(run.starts(2).ready(2).picksUp(2).completed())).not.toMatch(/written-by-nobody/);
  });

  test('half a second after the end is no more what the dead had sent', () => {
    const landed = (ms: number): string => {
      const run = on(0);
      const gone = run.events.findLast(({ kind }) => kind === 'worker:gone')!;
      return seen(ends(goesOn(run.wait(gone.atMs + ms - 10 - run.events.at(-1)!.atMs))));
    };
    expect(landed(499)).toMatch(/^passed/);
    expect(landed(500)).toBe('inconclusive written-by-nobody');
  });

  test('a person may have started the next one, and was not seen to', () => {
    expect(seen(ends(goesOn(on(600, { restartBy: 'operator' }))))).not.toMatch(/written-by-nobody/);
  });
});

test('a person’s worker that went before they were asked', () => {
  const run = inFlight({ restartBy: 'operator', named: false }).gone();
  run.event({ kind: 'holder:identified', job: 'job-1', connection: '', pid: 4001, main: processOf(4001) });
  run.starts(2).picksUp(2).event({ kind: 'operator:asked', attempt: 1 }).completed();
  const history = run.end();
  expect(judgedAs(history, 'restart-observed')).toBe('passed restarted-in-flight worker-gone new-worker');
  expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-write');
});

test('behind a pooler the end of the connections to the broker has to do', () => {
  const run = inFlight({ restartBy: 'operator', pooled: true, named: false })
    .strike()
    .gone('connections', false);
  expect(seen(run.starts(2).ready(2).picksUp(2).completed())).toMatch(/^passed/);
});

test('a broker that hands it out as soon as the connection is lost was not asked to', () => {
  const run = inFlight().broker({ lockUntilMs: 20 }).strike().broker({ state: 'waiting', owner: null });
  expect(seen(run.gone().starts(2).picksUp(2).completed())).toMatch(/^passed/);
});

describe('the moment of the strike', () => {
  test('pending: a row that is still pending was not put back', () => {
    const run = aRun({ strikeAt: 'pending' }).job().submitted().strike().row({ error: 'seen' }, 1).gone();
    expect(seen(run.starts(2).picksUp(2).completed())).toMatch(/^passed/);
  });

  test('pending: submitted, and neither picked up nor ended', () => {
    const run = aRun({ strikeAt: 'pending' })
      .job()
      .submitted()
      .strike()
      .gone()
      .starts(2)
      .picksUp(2)
      .completed();
    expect(seen(run)).toBe('passed struck-in-flight worker-gone new-worker');
  });

  test('pending: a submission of which nobody knows whether it arrived is none', () => {
    const run = aRun({ strikeAt: 'pending' }).job().submitted('uncertain').broker({ state: 'gone' });
    expect(seen(run.strike().gone().starts(2))).toBe('inconclusive not-in-flight');
  });

  test('pending: … unless the broker has it', () => {
    const run = aRun({ strikeAt: 'pending' })
      .job()
      .submitted('uncertain')
      .strike()
      .gone()
      .starts(2)
      .picksUp(2);
    expect(seen(run.completed())).toMatch(/^passed/);
  });

  test('retrying: failed once, back in the queue for its backoff', () => {
    const run = aRun({ strikeAt: 'retrying' }).job().submitted().picksUp(1);
    run.row({ status: 'pending', retryCount: 1 }, 1).broker({ state: 'delayed', owner: null });
    expect(seen(run.strike().gone().starts(2).picksUp(2).completed())).toMatch(/^passed/);
  });

  test('retrying: the broker’s delay alone is enough', () => {
    const run = aRun({ strikeAt: 'retrying' }).job().submitted().picksUp(1);
    run.row({ status: 'pending' }, 1).broker({ state: 'delayed', owner: null });
    expect(seen(run.strike().gone().starts(2).picksUp(2).completed())).toMatch(/^passed/);
  });

  test('retrying: what another worker notes while it waits does not make that one its holder', () => {
    const run = aRun({ strikeAt: 'retrying' }).job().submitted().picksUp(1);
    run.row({ status: 'pending', retryCount: 1 }, 1).row({ error: 'retry in 5 s' }, 2);
    expect(seen(run.strike().gone().starts(3).ready(3).picksUp(3).completed())).toMatch(/^passed/);
  });

  test('any other moment: a job that is not in processing is not in flight', () => {
    const run = aRun()
      .job()
      .submitted()
      .picksUp(1)
      .row({ status: 'pending' }, 1)
      .broker({ state: 'delayed' });
    expect(seen(run.strike().gone().starts(2).picksUp(2).completed())).toBe('inconclusive not-in-flight');
  });
});

describe('inconclusive: nothing was interrupted', () => {
  test('the fault was disarmed', () => {
    const run = inFlight().event({ kind: 'fault:disarmed', fault: 'SIGKILL (tree)' }).completed();
    expect(seen(run)).toBe('inconclusive fault-disarmed');
  });

  test('no fault came', () => {
    expect(seen(inFlight())).toBe('inconclusive no-restart');
  });

  test('the job had ended before', () => {
    expect(seen(inFlight().completed())).toBe('inconclusive ended-before-strike');
    expect(seen(inFlight().completed().strike().gone().starts(2))).toBe('inconclusive ended-before-strike');
  });

  test.each([{}, { polite: true }])(
    'the end was seen after the strike and had come before it: %o',
    (options) => {
      const struck = inFlight(options).strike();
      const faultAtMs = struck.events.at(-1)!.atMs;
      const run = struck.completed().gone().starts(2);
      const end = run.events.findLast((event) => event.kind === 'row:version' && event.source === 'trigger')!;
      const zero = Date.parse('2026-01-31T12:00:00.000Z') + 40;
      const at = (databaseAtMs: number): RunBuilder => {
        Object.assign(run.events, run.events.with(end.seq, { ...end, databaseAtMs } as typeof end));
        return run;
      };
      expect(seen(at(zero + faultAtMs - 20))).toBe('inconclusive ended-before-strike');
      expect(seen(at(zero + faultAtMs + 1))).toBe('inconclusive ended-before-strike');
      expect(seen(at(zero + faultAtMs + 2))).not.toContain('ended-before-strike');
    },
  );

  test('the worker had died by itself, and the signal hit nobody', () => {
    expect(seen(inFlight().exits(1, 137).strike().gone().starts(2).picksUp(2).completed())).toBe(
      'inconclusive nobody-was-struck',
    );
    const empty = inFlight();
    empty.event({
      kind: 'fault:injected',
      fault: 'SIGKILL (tree)',
      incarnation: 1,
      signal: 'SIGKILL',
      reach: 'tree',
      pids: [],
    });
    expect(seen(empty.gone().starts(2).picksUp(2).completed())).toBe('inconclusive nobody-was-struck');
  });
});

describe('what is told of it', () => {
  test('a row that was never seen is told from one that was gone', () => {
    const unseen = aRun().job().strike().gone().end();
    const rows = createHistory(unseen.events.filter(({ kind }) => kind !== 'row:version'));
    expect(findingOf(rows, 'not-in-flight')).toMatchObject({ state: 'unknown' });
    expect(findingOf(inFlight().deletes(1).strike().gone().end(), 'not-in-flight')).toMatchObject({
      state: 'gone',
    });
  });

  test('how nobody was struck', () => {
    const died = inFlight().exits(1, 3).strike().gone().starts(2).ready(2).picksUp(2).completed();
    expect(findingOf(died.end(), 'nobody-was-struck')).toMatchObject({ how: 'exit code 3' });
    const { events } = handedOver().end();
    const nobody = events.map((event) => (event.kind === 'fault:injected' ? { ...event, pids: [] } : event));
    expect(findingOf(createHistory(nobody), 'nobody-was-struck')).toMatchObject({
      how: 'no process of it was found',
    });
  });

  test('a command tells no pids, and struck somebody all the same', () => {
    const { events } = handedOver({ restartBy: 'command' }).end();
    const untold = events.map((event) => (event.kind === 'fault:injected' ? { ...event, pids: [] } : event));
    expect(findingOf(createHistory(untold), 'nobody-was-struck')).toBeUndefined();
  });

  test('who holds the job instead', () => {
    const history = aRun().job().submitted().picksUp(2).strike().gone().end();
    expect(findingOf(history, 'holder-not-struck')).toMatchObject({
      writer: 'verify-restart#2 (backend 7002)',
      incarnation: 1,
    });
  });

  test('when the new worker died, from the strike on', () => {
    const history = restarted().exits(2, 1).end();
    const [fault] = history.of('fault:injected');
    const [exit] = history.of('worker:exited');
    expect(findingOf(history, 'new-worker-died')).toMatchObject({ afterMs: exit!.atMs - fault!.atMs });
  });
});
