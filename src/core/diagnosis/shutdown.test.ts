/** What a worker that is asked to stop does to the job in hand, and to the one that it takes along. */
import { describe, expect, test } from 'vitest';
import { inFlight, type RunBuilder, type RunOptions } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
import type { MessageState, SignalName } from '../event.ts';

const POLITE = { polite: true } as const;
const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());
const successor = (run: RunBuilder): RunBuilder => run.gone().starts(2).ready(2);

describe('a grace period that was over', () => {
  const fault = (run: RunBuilder, signal: SignalName, incarnation = 1): RunBuilder =>
    run.wait(500).event({
      kind: 'fault:injected',
      fault: signal,
      incarnation,
      signal,
      reach: 'tree',
      pids: [4000 + incarnation],
    });

  test('before the worker had done, and nobody took the job', () => {
    const run = successor(fault(inFlight(POLITE).strike(), 'SIGKILL'))
      .timesOut()
      .end();
    expect(diagnosedAs(run)).toContain('grace-shorter-than-drain');
    expect(valuesOfDiagnosis(run, 'grace-shorter-than-drain')).toEqual({ afterMs: 510 });
  });

  test('is none where it left in time, or was asked once more', () => {
    const lost = (run: RunBuilder): readonly string[] => causes(successor(run).timesOut());
    expect(lost(inFlight(POLITE).strike())).not.toContain('grace-shorter-than-drain');
    expect(lost(fault(inFlight(POLITE).strike(), 'SIGTERM'))).not.toContain('grace-shorter-than-drain');
  });

  test('is none where it was killed at once, if need be twice', () => {
    expect(causes(successor(inFlight().strike()).timesOut())).not.toContain('grace-shorter-than-drain');
    const twice = successor(fault(inFlight().strike(), 'SIGKILL')).timesOut();
    expect(causes(twice)).not.toContain('grace-shorter-than-drain');
  });

  test('is none where a child of it was killed first, or its successor afterwards', () => {
    const child = successor(fault(inFlight().strike('SIGKILL', 'child'), 'SIGTERM')).timesOut();
    expect(causes(child)).not.toContain('grace-shorter-than-drain');
    const next = fault(successor(inFlight(POLITE).strike()), 'SIGKILL', 2)
      .starts(3)
      .ready(3)
      .timesOut();
    expect(causes(next)).not.toContain('grace-shorter-than-drain');
  });

  test('did no harm where somebody took the job', () => {
    const run = successor(fault(inFlight(POLITE).strike(), 'SIGKILL')).picksUp(2);
    expect(causes(run.progress(60).completed())).toEqual([]);
  });
});

describe('an old worker that failed its job on its way out', () => {
  const failed = (error: string): RunBuilder =>
    successor(inFlight(POLITE).strike().failed(error, 1))
      .job('control')
      .submitted()
      .picksUp(2)
      .completed()
      .of('subject');

  test.each([
    'Connection terminated',
    'the pool is closed',
    'Cannot use a pool after calling end',
    'ECONNRESET',
    'cannot schedule new futures after shutdown',
    'the server is shutting down',
    'connection shutdown',
    'the database system is shut down',
  ])('for want of what it had closed: %s', (error) => {
    const history = failed(error).end();
    expect(diagnosedAs(history)).toEqual(['closed-before-drained']);
    expect(valuesOfDiagnosis(history, 'closed-before-drained')).toEqual({ error });
  });

  test('… of which the beginning is told', () => {
    const history = failed(`connection closed ${'at a line '.repeat(100)}`).end();
    expect(String(valuesOfDiagnosis(history, 'closed-before-drained')?.['error'])).toHaveLength(200);
  });

  test('because it was asked to stop, or for another reason', () => {
    expect(causes(failed('stopped: connection closed'))).toEqual(['failed-on-shutdown']);
    expect(causes(failed('out of paper'))).toEqual(['failed-on-shutdown']);
  });

  test('before it was asked: then nothing was interrupted', () => {
    const run = successor(inFlight(POLITE).failed('the pool is closed').strike());
    expect(causes(run)).toEqual(['ended-before-restart', 'expected-end-unknown']);
  });
});

describe('an old worker that could tell the broker alone', () => {
  const CLOSED = { state: 'dead', owner: null, failedReason: 'Connection is closed.' } as const;
  const failed = (before: MessageState, after: MessageState, options: RunOptions = POLITE): RunBuilder =>
    successor(
      inFlight(options)
        .broker({ state: before })
        .strike()
        .broker({ ...CLOSED, state: after }),
    ).timesOut();

  test('closed its way to the row before it had drained', () => {
    expect(causes(failed('active', 'dead'))).toContain('closed-before-drained');
  });

  test('did not where the broker had given the job up before, or still has it, or nobody had asked', () => {
    expect(causes(failed('dead', 'dead'))).not.toContain('closed-before-drained');
    expect(causes(failed('active', 'waiting'))).not.toContain('closed-before-drained');
    expect(causes(failed('active', 'dead', {}))).not.toContain('closed-before-drained');
  });

  test('did not where the row tells of an end, whichever', () => {
    const told = inFlight(POLITE).strike().failed('out of paper', 1).broker(CLOSED);
    expect(causes(successor(told))).not.toContain('closed-before-drained');
    const done = inFlight(POLITE).strike().completed(1).broker(CLOSED);
    expect(causes(successor(done))).toEqual(['row-and-queue-disagree']);
  });
});

describe('the job that waited behind', () => {
  const behind = (options: RunOptions): RunBuilder =>
    inFlight(options).job('witness-waiting').submitted().of('subject');

  const looks = (run: RunBuilder, state: MessageState): RunBuilder =>
    run.event({
      kind: 'broker:snapshot',
      job: 'job-waiting',
      role: 'witness-waiting',
      state,
      owner: null,
      lockUntilMs: null,
      due: { kind: 'unknown' },
      deliveries: null,
      stalls: null,
      failedReason: null,
      messages: null,
    });

  describe('by its row', () => {
    /** Taken by this worker, and never brought to its end, though the subject was. */
    const taken = (by: number, options: RunOptions): RunBuilder => {
      const run = behind(options).strike();
      if (by === 1) run.of('witness-waiting').picksUp(1).of('subject');
      successor(run).picksUp(2).progress(60).completed();
      return by === 2 ? run.of('witness-waiting').picksUp(2).of('subject') : run;
    };

    test('was taken along by a worker that was asked to stop', () => {
      const history = taken(1, POLITE).end();
      expect(diagnosedAs(history)).toEqual(['lost-in-shutdown-window']);
      expect(valuesOfDiagnosis(history, 'lost-in-shutdown-window')).toEqual({ incarnation: 1 });
    });

    test('is another matter where it was killed, or where the new worker has it', () => {
      expect(causes(taken(1, {}))).toEqual(['slot-left-behind']);
      expect(causes(taken(2, POLITE))).toEqual(['slot-left-behind']);
    });

    test('was given back by it, and never ran', () => {
      const run = taken(1, POLITE).of('witness-waiting').row({ status: 'pending', taskId: null }, 1);
      expect(causes(run)).toEqual(['slot-left-behind']);
    });

    test('is nobody’s fault as long as the run is not over', () => {
      expect(diagnosedAs(taken(1, POLITE).history())).toEqual([]);
    });
  });

  describe('by the broker', () => {
    const afterwards = (state: MessageState, before: MessageState = 'waiting'): RunBuilder => {
      const run = looks(behind(POLITE), before).strike().row({ status: 'pending', taskId: null }, 1).gone();
      return looks(run, state).starts(2).ready(2).picksUp(2).progress(60).completed();
    };

    test.each(['ended', 'gone'] as const)(
      'was taken along: then it is %s, and its row not begun',
      (state) => {
        expect(causes(afterwards(state))).toEqual(['lost-in-shutdown-window']);
      },
    );

    test('was not if its message still waits, whatever a look had shown before', () => {
      expect(causes(afterwards('waiting'))).toEqual(['slot-left-behind']);
      expect(causes(afterwards('waiting', 'gone'))).toEqual(['slot-left-behind']);
    });

    test('may have been by anybody where a person stopped the worker', () => {
      const run = behind({ restartBy: 'operator', named: false }).strike().row({ status: 'pending' }, 1);
      looks(run.gone(), 'gone').starts(2).picksUp(2).progress(60).completed();
      expect(causes(run)).not.toContain('lost-in-shutdown-window');
    });

    test('is not told of while the old worker is still there and the job is not due', () => {
      const lives = { kind: 'worker:still-there', incarnation: 1, pids: [4001], connections: [] } as const;
      const run = behind(POLITE)
        .strike()
        .event(lives)
        .broker({ due: { kind: 'next-boot' } });
      expect(causes(looks(run, 'gone').timesOut())).toEqual(['signal-swallowed']);
    });
  });
});
