/** A successor that is there and takes nothing, or only what is its own: by something of the dead, or by its name. */
import { describe, expect, test } from 'vitest';
import { aRun, inFlight, type RunBuilder, type RunOptions } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());
const successor = (run: RunBuilder): RunBuilder => run.strike().gone().starts(2).ready(2);

describe('a successor that takes nothing at all', () => {
  const behind = (options: RunOptions = {}): RunBuilder =>
    inFlight(options).ready(1).job('witness-waiting').submitted().of('subject');

  test('is kept away by something of the dead, from working or from becoming ready', () => {
    const ready = successor(behind()).timesOut();
    expect(causes(ready)).toEqual(['stale-lock', 'never-reclaimed']);
    expect(valuesOfDiagnosis(ready.history(), 'stale-lock')).toEqual({ incarnation: 2, ready: 1 });
    const starting = behind().strike().gone().starts(2).timesOut().end();
    expect(valuesOfDiagnosis(starting, 'stale-lock')).toEqual({ incarnation: 2, ready: 0 });
  });

  test('takes only what is announced where it takes a job that is submitted while it listens', () => {
    const control = (): RunBuilder => successor(behind()).timesOut().job('control').submitted();
    expect(causes(control().picksUp(2))).toEqual(['announced-only', 'never-reclaimed']);
    expect(valuesOfDiagnosis(control().picksUp(2).end(), 'announced-only')).toEqual({
      incarnation: 2,
      ready: 1,
    });
    expect(causes(control())).toEqual(['stale-lock', 'never-reclaimed']);
    expect(causes(control().deletes('psql'))).toEqual(['stale-lock', 'never-reclaimed']);
  });

  test('is not where it took the other job, or wrote to it', () => {
    const took = successor(behind()).of('witness-waiting').picksUp(2).completed().of('subject').timesOut();
    expect(causes(took)).not.toContain('stale-lock');
    const touched = successor(behind()).of('witness-waiting').row({ error: 'seen' }, 2).of('subject');
    expect(causes(touched.timesOut())).not.toContain('stale-lock');
  });

  test('is not where it works on the job in hand and does not get to the next', () => {
    expect(causes(successor(behind()).picksUp(2).timesOut())).toEqual(['stuck-after-pickup']);
  });

  test('is not where there is no other job, no successor, or one that died', () => {
    expect(causes(successor(inFlight()).timesOut())).not.toContain('stale-lock');
    expect(causes(successor(behind()).exits(2, 1).timesOut())).toEqual(['successor-died']);
    const nobody = behind({ restartBy: 'operator', named: false }).strike().gone().timesOut();
    expect(causes(nobody)).not.toContain('stale-lock');
  });

  test.each(['ended', 'gone'] as const)(
    'is not where of a job in work the broker counted it as %s: so it may of the one behind',
    (state) => {
      const run = successor(behind().broker({ state, owner: null })).timesOut();
      expect(causes(run)).not.toContain('stale-lock');
    },
  );

  test('says nothing while the old worker is still there, whatever became of the job', () => {
    const lives = { kind: 'worker:still-there', incarnation: 1, pids: [4001], connections: [] } as const;
    const run = behind({ polite: true }).starts(2).ready(2).strike().event(lives).deletes('psql');
    expect(causes(run.timesOut())).toEqual(['signal-swallowed']);
  });
});

describe('a claim by the worker’s name', () => {
  /** By whom the job that had ended, the subject and, by which worker, the one behind were claimed. */
  const claimed = (
    ended: string,
    subject: string | null,
    behind: string | null,
    by = 2,
    strike = (run: RunBuilder): RunBuilder => run.strike(),
  ): RunBuilder => {
    const run = inFlight({ queue: 'none' }).row({ owner: subject }, 1).broker({ owner: subject });
    run.job('witness-ended').row({ status: 'processing', owner: ended }, 1).row({ status: 'completed' }, 1);
    run.job('witness-waiting');
    if (by === 1) run.row({ status: 'processing', owner: behind }, 1);
    strike(run.of('subject')).gone().starts(2).ready(2).of('witness-waiting');
    if (behind !== null && by === 2) {
      run.row({ status: 'processing', owner: behind }, 2).row({ status: 'completed' }, 2);
    }
    return run.of('subject').timesOut();
  };

  test('that named the worker for other jobs too, and whose successor goes by another', () => {
    const run = claimed('w-1', 'w-1', 'w-2');
    expect(causes(run)).toContain('claim-tied-to-name');
    expect(valuesOfDiagnosis(run.history(), 'claim-tied-to-name')).toEqual({ name: 'w-1', newName: 'w-2' });
  });

  test('is none where every job has a claim of its own, or the successor the same name', () => {
    expect(causes(claimed('a', 'b', 'c'))).not.toContain('claim-tied-to-name');
    expect(causes(claimed('w-1', 'w-1', 'w-1'))).not.toContain('claim-tied-to-name');
    expect(causes(claimed('w-1', 'w-1', null))).not.toContain('claim-tied-to-name');
  });

  test('is none where the other name is one more of the old worker’s', () => {
    expect(causes(claimed('w-1', 'w-1', 'w-1-thread-2', 1))).not.toContain('claim-tied-to-name');
  });

  test('is none where the job had no claim when it was struck', () => {
    expect(causes(claimed('w-1', null, 'w-2'))).not.toContain('claim-tied-to-name');
  });

  test('is none where the successor claimed nothing, and only took away the claim of the dead', () => {
    const run = claimed('w-1', 'w-1', null).of('witness-ended').row({ owner: null }, 2).of('subject');
    expect(causes(run)).not.toContain('claim-tied-to-name');
  });

  test('is none where the successor failed the job at its start', () => {
    const run = claimed('w-1', 'w-1', 'w-2').row({ status: 'failed', error: 'interrupted' }, 2).looks();
    expect(causes(run)).toContain('failed-at-boot');
    expect(causes(run)).not.toContain('claim-tied-to-name');
  });

  test('is none where the row was deleted, a boot takes the job back, or the worker had no time to give it back', () => {
    const tied = (run: RunBuilder): boolean => causes(run).includes('claim-tied-to-name');
    expect(tied(claimed('w-1', 'w-1', 'w-2').deletes(2))).toBe(false);
    const note = { kind: 'note', code: 'next-boot-took-it', text: 'one more worker took it' } as const;
    expect(tied(claimed('w-1', 'w-1', 'w-2').event(note))).toBe(false);
    const grace = (run: RunBuilder): RunBuilder => run.strike('SIGTERM').wait(500).strike('SIGKILL');
    expect(tied(claimed('w-1', 'w-1', 'w-2', 2, grace))).toBe(false);
  });

  test('is none where the job was taken up, and brought to its end or not', () => {
    const taken = claimed('w-1', 'w-1', 'w-2').picksUp(2);
    expect(causes(taken)).not.toContain('claim-tied-to-name');
    expect(causes(taken.progress(60).completed())).not.toContain('claim-tied-to-name');
  });

  describe('on BullMQ', () => {
    const lost = (claim: string, newClaim: string, afterwards: string): RunBuilder => {
      const run = aRun().job().submitted().looks().picksUp(1).progress(20).row({ taskId: claim }, 1);
      run
        .job('witness-ended')
        .row({ status: 'processing', taskId: claim }, 1)
        .row({ status: 'completed' }, 1);
      run.job('witness-waiting').of('subject');
      successor(run).broker({ owner: afterwards, lockUntilMs: null }).of('witness-waiting');
      run.row({ status: 'processing', taskId: newClaim }, 2).row({ status: 'completed' }, 2);
      return run.of('subject').timesOut();
    };

    test('is none where it is the token under which one job is handed out after the other', () => {
      expect(causes(lost('token-of-1', 'token-of-2', 'w-1'))).not.toContain('claim-tied-to-name');
    });

    test('is one where the broker knows it as the worker’s name, when the lock has ended, or not at all', () => {
      expect(causes(lost('w-1', 'w-2', 'w-1'))).toContain('claim-tied-to-name');
      expect(causes(lost('host-1', 'host-2', 'w-1'))).toContain('claim-tied-to-name');
    });
  });
});

test('taken by one more worker that was started after all: looked for at a boot only', () => {
  const note = (run: RunBuilder): RunBuilder =>
    run.event({ kind: 'note', code: 'next-boot-took-it', text: 'one more worker took it' });
  expect(causes(note(successor(inFlight()).timesOut()))).toContain('loaded-at-boot-only');
  expect(causes(note(successor(inFlight()).timesOut()))).not.toContain('never-reclaimed');
  expect(causes(successor(inFlight()).timesOut())).not.toContain('loaded-at-boot-only');
  const taken = (): RunBuilder => note(successor(inFlight()).picksUp(2).progress(60).completed());
  expect(causes(taken())).toEqual([]);
  // Of a job that was taken up and has ended it says nothing, whatever else is wrong with that.
  expect(causes(taken().progress(80, 2))).toEqual(['wrote-after-end']);
});
