/** Two runs of one job at once: what let the second one begin. The last file is there twice for it. */
import { describe, expect, test } from 'vitest';
import { aRun, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
import type { History } from '../history.ts';
import type { DiagnosisId } from './index.ts';

const doneTwice = (run: RunBuilder): History => run.effects(1, 1, 1, 1, 2).end();
const causes = (run: RunBuilder): readonly string[] => diagnosedAs(doneTwice(run));
const valuesOf = (run: RunBuilder, id: DiagnosisId): unknown => valuesOfDiagnosis(doneTwice(run), id);

const TABLE = { queue: 'none' } as const;
/** A lease that ends so long after what was last recorded. */
const lease = (run: RunBuilder, forMs: number): string =>
  new Date(Date.parse('2026-01-31T12:00:00Z') + (run.events.at(-1)?.atMs ?? 0) + forMs).toISOString();

describe('claimed by the new worker, and again by it', () => {
  /** The claim of the dead has ended; those of the new worker last a second. */
  const twice = (owner: readonly [string, string], waitMs: number): RunBuilder => {
    const run = inFlight(TABLE).row({ owner: 'dead', leaseUntil: '2026-01-31T12:00:01Z' }, 1);
    run.strike().gone().wait(2_000).starts(2).ready(2);
    run.row({ owner: owner[0], attempts: 2, leaseUntil: lease(run, 1_000) }, 2).progress(40, 2);
    run.wait(waitMs).row({ owner: owner[1], attempts: 3, leaseUntil: lease(run, 1_000) }, 2);
    return run.progress(60, 2).completed(2);
  };

  test('by one name for both: the fence is not unique', () => {
    expect(causes(twice(['host:1', 'host:1'], 1_500))).toEqual([
      'fence-not-unique',
      'lock-shorter-than-work',
    ]);
    expect(valuesOf(twice(['host:1', 'host:1'], 1_500), 'fence-not-unique')).toEqual({ claim: 'host:1' });
  });

  test('by a name each: the lock ended before the work', () => {
    expect(causes(twice(['one', 'two'], 1_500))).toEqual(['lock-shorter-than-work']);
    expect(valuesOf(twice(['one', 'two'], 1_500), 'lock-shorter-than-work')).toEqual({ incarnation: 2 });
  });

  test('whichever file it is, also the one that was in hand', () => {
    const run = twice(['one', 'two'], 1_500).effects(1, 2, 1, 1, 1);
    expect(diagnosedAs(run.end())).toEqual(['lock-shorter-than-work']);
  });

  test('while the lock of the first still ran it was no matter of the lock', () => {
    expect(causes(twice(['one', 'two'], 10))).toEqual(['effects-not-idempotent']);
  });

  test('with no name at all, only counted: there was no fence that could be unique', () => {
    const run = aRun(TABLE).job().without('owner', 'leaseUntil', 'heartbeatAt').submitted().delivered(1);
    run.row({ status: 'processing', attempts: 1 }, 1).progress(20, 1).strike().gone().starts(2).ready(2);
    run.row({ attempts: 2 }, 2).progress(40, 2).row({ attempts: 3 }, 2).progress(60, 2).completed(2);
    expect(causes(run)).toEqual(['lock-shorter-than-work']);
  });

  test.each(['one', 'host:1'])('where nothing is there twice, there is nothing to explain: %s', (name) => {
    const run = twice(['host:1', name], 1_500).effects(1, 1, 1, 1, 1);
    expect(diagnosedAs(run.end())).toEqual([]);
  });
});

describe('two ways of recovery', () => {
  /** The claim of the dead runs on for a minute. */
  const struck = (): RunBuilder => {
    const run = inFlight(TABLE);
    return run.row({ owner: 'dead', leaseUntil: lease(run, 60_000) }, 1);
  };
  const successor = (run: RunBuilder): RunBuilder => run.strike().gone().starts(2).ready(2);
  const claims = (run: RunBuilder, owner: string): RunBuilder =>
    run.row({ owner, attempts: run.events.length, leaseUntil: lease(run, 60_000) }, 2).progress(40, 2);
  const done = (run: RunBuilder): RunBuilder => run.progress(60, 2).completed(2);

  test('claimed twice by the new worker, the first time while the claim of the dead still ran', () => {
    const run = (): RunBuilder => done(claims(claims(successor(struck()), 'one'), 'two'));
    expect(causes(run())).toEqual(['recovered-twice']);
    expect(valuesOf(run(), 'recovered-twice')).toEqual({ incarnation: 2 });
  });

  test('once is one way, also where the old worker had taken the job from itself', () => {
    expect(causes(done(claims(successor(struck()), 'one')))).not.toContain('recovered-twice');
    const run = struck().row({ owner: 'old, again', attempts: 5 }, 1).progress(30);
    expect(causes(done(claims(successor(run), 'one')))).not.toContain('recovered-twice');
  });

  test('where claims do not end by themselves, nobody took one too early', () => {
    const named = (run: RunBuilder, taskId: string): RunBuilder => run.row({ taskId }, 2).progress(40, 2);
    expect(causes(done(named(named(restarted(), 'one'), 'two')))).toEqual(['lock-shorter-than-work']);
  });

  test('claimed twice before the old worker was asked to leave, it was no recovery', () => {
    const run = claims(claims(struck().starts(2).ready(2), 'one'), 'two');
    expect(causes(done(run.strike('SIGTERM').gone()))).not.toContain('recovered-twice');
  });
});

describe('taken back from a living worker, by the broker’s count of stalls', () => {
  const stalled = (claimedAnew: boolean): RunBuilder => {
    const run = restarted().broker({ stalls: 1 }).picksUp(2).progress(40).broker({ stalls: 2 });
    if (claimedAnew) run.row({ taskId: 'another' }, 2);
    return run.progress(60).completed();
  };

  test('the lock was shorter than the work', () => {
    expect(causes(stalled(true))).toEqual(['lock-shorter-than-work']);
    expect(valuesOf(stalled(true), 'lock-shorter-than-work')).toEqual({ incarnation: 2 });
  });

  test('and where the row shows one claim for both runs, that was none', () => {
    expect(causes(stalled(false))).toEqual(['fence-not-unique', 'lock-shorter-than-work']);
    expect(valuesOf(stalled(false), 'fence-not-unique')).toEqual({ claim: 'task-of-2' });
  });

  test('in a table without a claim there is none that could be unique', () => {
    const run = aRun().job().without('taskId').submitted().delivered(1).row({ status: 'processing' }, 1);
    run.progress(20, 1).strike().gone().starts(2).ready(2).broker({ stalls: 1 }).delivered(2).progress(40, 2);
    expect(causes(run.broker({ stalls: 2 }).progress(60, 2).completed(2))).toEqual([
      'lock-shorter-than-work',
    ]);
  });

  test('before it was struck: that was the old worker’s, whether it finished the job or another did', () => {
    const before = (): RunBuilder => inFlight({ polite: true }).broker({ stalls: 1 }).strike();
    const drained = (): RunBuilder => before().completed(1).gone().starts(2).ready(2);
    expect(causes(drained())).toEqual(['lock-shorter-than-work']);
    expect(valuesOf(drained(), 'lock-shorter-than-work')).toEqual({ incarnation: 1 });
    const taken = (): RunBuilder => before().gone().starts(2).ready(2).picksUp(2).progress(60).completed();
    expect(causes(taken())).toEqual(['lock-shorter-than-work']);
    expect(valuesOf(taken(), 'lock-shorter-than-work')).toEqual({ incarnation: 1 });
  });

  test('the stall of the dead alone is neither', () => {
    const run = restarted().broker({ stalls: 1 }).picksUp(2).progress(60).completed();
    expect(causes(run)).toEqual(['effects-not-idempotent']);
  });

  test('from a worker of which nothing else is known, neither is named', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll' }).strike().gone('connections').starts(2);
    run.delivered(2).broker({ stalls: 1 }).progress(60, 2).completed(2);
    expect(causes(run)).toContain('effects-not-idempotent');
  });
});
