/** Why nobody took the job up again, or why what was counted does not add up. */
import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';
import { judge } from '../report.ts';

function causes(run: RunBuilder): readonly string[] {
  return diagnosedAs(run.end());
}

function valuesOf(run: RunBuilder, id: string): unknown {
  return judge(run.end()).diagnoses.find((diagnosis) => diagnosis.id === id)?.values;
}

const TABLE = { queue: 'none' } as const;
const successor = (run: RunBuilder): RunBuilder => run.strike().gone().starts(2).ready(2);

describe('a claim by the worker’s name', () => {
  /** The job that had ended, the subject and the one behind: by whom each was claimed. */
  const claimed = (ended: string, subject: string, behind: string | null): RunBuilder => {
    const run = inFlight(TABLE).row({ owner: subject }, 1);
    run.job('witness-ended').row({ status: 'processing', owner: ended }, 1).row({ status: 'completed' }, 1);
    run.job('witness-waiting').of('subject');
    successor(run).of('witness-waiting');
    if (behind !== null) {
      run.row({ status: 'processing', owner: behind }, 2).row({ status: 'completed' }, 2);
    }
    return run.of('subject').timesOut();
  };

  test('that named the worker for other jobs too, and whose successor goes by another', () => {
    expect(causes(claimed('w-1', 'w-1', 'w-2'))).toContain('claim-tied-to-name');
    expect(valuesOf(claimed('w-1', 'w-1', 'w-2'), 'claim-tied-to-name')).toEqual({
      name: 'w-1',
      newName: 'w-2',
    });
  });

  test('is none where every job has a claim of its own, or the successor the same name', () => {
    expect(causes(claimed('a', 'b', 'c'))).not.toContain('claim-tied-to-name');
    expect(causes(claimed('w-1', 'w-1', 'w-1'))).not.toContain('claim-tied-to-name');
    expect(causes(claimed('w-1', 'w-1', null))).not.toContain('claim-tied-to-name');
  });

  test('is none where it is the token under which BullMQ hands out one job after the other', () => {
    const lost = (claim: string): RunBuilder => {
      const run = inFlight().row({ taskId: claim }, 1);
      run
        .job('witness-ended')
        .row({ status: 'processing', taskId: claim }, 1)
        .row({ status: 'completed' }, 1);
      run.job('witness-waiting').of('subject');
      successor(run).of('witness-waiting').row({ status: 'processing', taskId: 'token-of-2' }, 2);
      return run.row({ status: 'completed' }, 2).of('subject').timesOut();
    };
    expect(causes(lost('token-of-1'))).not.toContain('claim-tied-to-name');
    expect(causes(lost('host-1'))).toContain('claim-tied-to-name');
    // When the lock has ended, the broker may still know the name of the worker that had it.
    const named = inFlight().row({ taskId: 'host-1' }, 1);
    named
      .job('witness-ended')
      .row({ status: 'processing', taskId: 'host-1' }, 1)
      .row({ status: 'completed' }, 1);
    named.job('witness-waiting').of('subject');
    successor(named).broker({ owner: 'host-1', lockUntilMs: null });
    named.of('witness-waiting').row({ status: 'processing', taskId: 'host-2' }, 2);
    named.row({ status: 'completed' }, 2).of('subject').timesOut();
    expect(causes(named)).toContain('claim-tied-to-name');
  });

  test('nor where somebody ended it', () => {
    const run = claimed('w-1', 'w-1', 'w-2').row({ status: 'completed' }, 2);
    expect(causes(run)).not.toContain('claim-tied-to-name');
  });

  test('nor where the job was taken up', () => {
    const run = claimed('w-1', 'w-1', 'w-2').picksUp(2).progress(60).completed();
    expect(causes(run)).not.toContain('claim-tied-to-name');
  });
});

describe('a grace period that was over', () => {
  const killed = (run: RunBuilder): RunBuilder =>
    run.wait(500).event({
      kind: 'fault:injected',
      fault: 'SIGKILL after the grace period',
      incarnation: 1,
      signal: 'SIGKILL',
      reach: 'tree',
      pids: [4001],
    });

  test('before the worker had done, and nobody took the job', () => {
    const run = (): RunBuilder =>
      killed(inFlight({ polite: true }).strike())
        .gone()
        .starts(2)
        .ready(2)
        .timesOut();
    expect(causes(run())).toContain('grace-shorter-than-drain');
    expect(valuesOf(run(), 'grace-shorter-than-drain')).toEqual({ afterMs: 510 });
  });

  test('is none where it left in time, was killed at once, or somebody took the job', () => {
    const left = inFlight({ polite: true }).strike().gone().starts(2).ready(2).timesOut();
    expect(causes(left)).not.toContain('grace-shorter-than-drain');
    expect(causes(successor(inFlight()).timesOut())).not.toContain('grace-shorter-than-drain');
    const taken = killed(inFlight({ polite: true }).strike())
      .gone()
      .starts(2)
      .ready(2)
      .picksUp(2);
    expect(causes(taken.progress(60).completed())).toEqual([]);
  });
});

test('taken by one more worker that was started after all: looked for at a boot only', () => {
  const note = (run: RunBuilder): RunBuilder =>
    run.event({ kind: 'note', code: 'next-boot-took-it', text: 'one more worker took it' });
  expect(causes(note(successor(inFlight()).timesOut()))).toContain('loaded-at-boot-only');
  expect(causes(note(successor(inFlight()).timesOut()))).not.toContain('never-reclaimed');
  expect(causes(successor(inFlight()).timesOut())).not.toContain('loaded-at-boot-only');
  expect(causes(note(successor(inFlight()).picksUp(2).progress(60).completed()))).toEqual([]);
});

describe('handed out again and again', () => {
  test('with no step of work done is taken and left', () => {
    const run = (): RunBuilder => restarted().delivered(2).delivered(2).timesOut();
    expect(causes(run())).toEqual(['redelivered-but-skipped']);
    expect(valuesOf(run(), 'redelivered-but-skipped')).toEqual({ deliveries: 3 });
  });

  test('once, and standing still, hangs', () => {
    expect(causes(restarted().delivered(2).timesOut())).toEqual(['stuck-after-pickup']);
  });

  test('but on its way is neither', () => {
    const run = restarted().picksUp(2).picksUp(2, { progress: 40 }).timesOut();
    expect(causes(run)).toEqual(['stuck-after-pickup']);
  });
});

describe('a successor that takes nothing at all', () => {
  const behind = (): RunBuilder => inFlight().job('witness-waiting').of('subject');

  test('is kept away by something of the dead', () => {
    expect(causes(successor(behind()).timesOut())).toContain('stale-lock');
    expect(valuesOf(successor(behind()).timesOut(), 'stale-lock')).toMatchObject({ incarnation: 2 });
  });

  test('is not where it took the other job, where there is none, or where it died', () => {
    const took = successor(behind()).of('witness-waiting').picksUp(2).completed().of('subject').timesOut();
    expect(causes(took)).not.toContain('stale-lock');
    const touched = successor(behind()).of('witness-waiting').row({ error: 'seen' }, 2).of('subject');
    expect(causes(touched.timesOut())).not.toContain('stale-lock');
    expect(causes(successor(inFlight()).timesOut())).not.toContain('stale-lock');
    expect(causes(successor(behind()).exits(2, 1).timesOut())).toEqual(['successor-died']);
  });
});

describe('an old worker that failed its job on its way out', () => {
  const failed = (error: string): RunBuilder =>
    inFlight({ polite: true })
      .strike()
      .failed(error, 1)
      .gone()
      .starts(2)
      .ready(2)
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
  ])('for want of what it had closed: %s', (error) => {
    expect(causes(failed(error))).toEqual(['closed-before-drained']);
    expect(valuesOf(failed(error), 'closed-before-drained')).toEqual({ error });
  });

  test('because it was asked to stop, or for another reason', () => {
    expect(causes(failed('stopped: connection closed'))).toEqual(['failed-on-shutdown']);
    expect(causes(failed('out of paper'))).toEqual(['failed-on-shutdown']);
  });
});

describe('what was counted', () => {
  test('progress that began again, whether the row was put back or not', () => {
    expect(causes(restarted().picksUp(2, { progress: 0 }).progress(60).completed())).toEqual([
      'progress-reset',
    ]);
    const back = restarted().row({ status: 'pending', progress: 0, startedAt: null }, 2);
    expect(causes(back.picksUp(2).progress(60).completed())).toEqual(['reset-at-boot', 'started-at-reset']);
    const byOld = inFlight({ polite: true }).strike().row({ status: 'pending', progress: 0 }, 1).gone();
    expect(causes(byOld.starts(2).ready(2).picksUp(2).progress(60).completed())).toEqual(['progress-reset']);
    expect(valuesOf(restarted().picksUp(2, { progress: 10 }).completed(), 'progress-reset')).toEqual({
      before: 20,
      after: 10,
    });
  });

  test('a row that is put back with all that was done is fine', () => {
    expect(causes(restarted().row({ status: 'pending' }, 2).picksUp(2).progress(60).completed())).toEqual([]);
  });

  test('progress that went down after the end is a write after the end', () => {
    const run = restarted().picksUp(2).completed().progress(40, 2);
    expect(causes(run)).toEqual(['wrote-after-end']);
  });

  test('retries', () => {
    const down = inFlight().row({ retryCount: 2 }, 1).strike().gone().starts(2).picksUp(2, { retryCount: 0 });
    expect(causes(down.completed())).toEqual(['retries-miscounted']);
    expect(causes(restarted().picksUp(2, { maxRetries: 1, retryCount: 2 }).completed())).toContain(
      'retries-miscounted',
    );
    const burnt = (): RunBuilder => restarted().picksUp(2, { retryCount: 2 }).completed();
    expect(causes(burnt())).toEqual(['restarts-burn-retries']);
    expect(valuesOf(burnt(), 'restarts-burn-retries')).toEqual({ spent: 2, restarts: 1 });
  });

  test('a backoff that the restart skipped, or a failure that was counted twice', () => {
    const retrying = (retryCount: number): RunBuilder =>
      successor(
        inFlight({ strikeAt: 'retrying', backoff: { baseMs: 1_000, factor: 2 } })
          .row({ status: 'retrying', retryCount }, 1)
          .broker({ state: 'delayed', owner: null }),
      );
    expect(causes(retrying(1).picksUp(2).progress(60).completed())).toEqual(['backoff-lost']);
    expect(causes(retrying(2).wait(9_000).picksUp(2).progress(60).completed())).toEqual([
      'retries-miscounted',
    ]);
    expect(
      causes(
        retrying(1)
          .broker({ state: 'gone', due: { kind: 'never' } })
          .timesOut(),
      ),
    ).toContain('retry-in-memory');
  });
});

describe('the job that waited behind', () => {
  /** Taken by this worker, and never brought to its end, though the subject was. */
  const taken = (by: number, options: { readonly polite: boolean }): RunBuilder => {
    const run = inFlight(options).job('witness-waiting').of('subject').strike();
    if (by === 1) run.of('witness-waiting').picksUp(1).of('subject');
    run.gone().starts(2).ready(2).picksUp(2).progress(60).completed();
    return by === 2 ? run.of('witness-waiting').picksUp(2).of('subject') : run;
  };

  test('was taken along by a worker that was asked to stop', () => {
    expect(causes(taken(1, { polite: true }))).toEqual(['lost-in-shutdown-window']);
    expect(valuesOf(taken(1, { polite: true }), 'lost-in-shutdown-window')).toEqual({ incarnation: 1 });
  });

  test('is another matter where it was killed, or where the new worker has it', () => {
    expect(causes(taken(1, { polite: false }))).toEqual(['slot-left-behind']);
    expect(causes(taken(2, { polite: true }))).toEqual(['slot-left-behind']);
  });
});

describe('an old worker that could tell the broker alone', () => {
  const failed = (before: 'active' | 'dead', after: 'dead' | 'waiting'): readonly string[] =>
    causes(
      inFlight({ polite: true })
        .broker({ state: before })
        .strike()
        .broker({ state: after, owner: null, failedReason: 'Connection is closed.' })
        .gone()
        .starts(2)
        .ready(2)
        .timesOut(),
    );

  test('closed its way to the row before it had drained', () => {
    expect(failed('active', 'dead')).toContain('closed-before-drained');
  });

  test('did not where the broker had given the job up before, or still has it', () => {
    expect(failed('dead', 'dead')).not.toContain('closed-before-drained');
    expect(failed('active', 'waiting')).not.toContain('closed-before-drained');
  });

  test('nor where it was not asked, or the row tells of an end', () => {
    const closed = { state: 'dead', owner: null, failedReason: 'Connection is closed.' } as const;
    const killed = inFlight().strike().broker(closed).gone().starts(2).ready(2).timesOut();
    expect(causes(killed)).not.toContain('closed-before-drained');
    const told = inFlight({ polite: true }).strike().failed('out of paper', 1).broker(closed).gone();
    expect(causes(told.starts(2).ready(2))).not.toContain('closed-before-drained');
  });
});
