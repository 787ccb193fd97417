/** Done twice, or by two at once: by a new worker that took a job from a living one, or for want of a fence. */
import { describe, expect, test } from 'vitest';
import { handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());

describe('a new worker that is there before the old one is stopped', () => {
  /** Worker 2 is there. */
  const beside = (): RunBuilder => inFlight({ polite: true }).starts(2).ready(2);
  const claims = (run: RunBuilder): RunBuilder => run.row({ taskId: 'of worker 2' }, 2);
  /** Worker 1 works on until it is stopped; worker 2 brings the job to its end. */
  const ends = (run: RunBuilder): RunBuilder =>
    run.progress(40, 1).strike().gone().progress(60, 2).completed(2);

  test('took a job from one that was alive', () => {
    const history = ends(claims(beside())).end();
    expect(diagnosedAs(history)).toContain('recovered-live-job');
    expect(valuesOfDiagnosis(history, 'recovered-live-job')).toEqual({ incarnation: 2 });
  });

  test('did so whether that one had taken it from itself before or not', () => {
    const run = inFlight({ polite: true }).row({ taskId: 'again' }, 1).starts(2).ready(2);
    expect(causes(ends(claims(run)))).toContain('recovered-live-job');
  });

  test('did so where it made a second message for it, though that one wrote no more', () => {
    const run = claims(beside()).strike().broker({ messages: 2 }).gone().progress(60, 2).completed(2);
    expect(causes(run)).toContain('recovered-live-job');
  });

  test('did no harm where that one left it alone from then on: it was no more the one to strike', () => {
    const run = claims(beside()).strike().gone().progress(60, 2).completed(2);
    expect(causes(run)).toEqual(['another-worker']);
  });

  test('did not where the broker had taken it back: then the lock had ended', () => {
    expect(causes(ends(claims(beside().broker({ stalls: 1 }))))).not.toContain('recovered-live-job');
  });

  test('nor on Celery, where the visibility timeout was over', () => {
    const run = inFlight({ queue: 'celery', polite: true }).broker({ facts: { visibilityTimeoutMs: 20 } });
    const found = causes(ends(claims(run.starts(2).ready(2))));
    expect(found).toContain('lock-shorter-than-work');
    expect(found).not.toContain('recovered-live-job');
  });

  test.each([0, 500])('nor where the lease of that one had ended %i ms before', (ms) => {
    const leaseUntil = '2026-01-31T12:00:05.000Z';
    const run = inFlight({ queue: 'none', polite: true }).row({ owner: 'one', leaseUntil }, 1);
    run
      .starts(2)
      .ready(2)
      .wait(4_950 + ms - run.events.at(-1)!.atMs);
    const claimed = run.row({ owner: 'two', attempts: 2 }, 2).history().of('row:version').at(-1);
    expect(claimed?.databaseAtMs).toBe(Date.parse(leaseUntil) + ms);
    expect(causes(ends(run))).not.toContain('recovered-live-job');
  });

  test('nor where it claimed after the strike, come before it or not', () => {
    const late = claims(inFlight({ polite: true }).strike().starts(2).ready(2)).progress(40, 1);
    expect(causes(late.gone().progress(60, 2).completed(2))).not.toContain('recovered-live-job');
    const waited = claims(beside().strike()).progress(40, 1).gone();
    expect(causes(waited.progress(60, 2).completed(2))).not.toContain('recovered-live-job');
  });

  test('nor where it wrote and claimed nothing, or where the claim was the old one’s own', () => {
    const unclaimed = causes(ends(beside().row({ error: 'seen' }, 2)));
    expect(unclaimed).toContain('no-fencing');
    expect(unclaimed).not.toContain('recovered-live-job');
    const own = beside().row({ taskId: 'again' }, 1).row({ error: 'seen' }, 2);
    expect(causes(ends(own))).not.toContain('recovered-live-job');
  });

  test('nor where no worker came, or no restart', () => {
    const alone = inFlight().row({ taskId: 'b' }, 1).progress(40).row({ taskId: 'task-of-1' }, 1);
    expect(causes(alone.strike().gone().timesOut())).not.toContain('recovered-live-job');
    expect(causes(claims(beside()).progress(40, 1).completed(1))).not.toContain('recovered-live-job');
  });
});

describe('effects that are there twice', () => {
  const TWICE = [2, 2, 1, 1, 1];

  test('say nothing beside children that were made twice, whose doing they are', () => {
    const child = (id: string) =>
      ({ kind: 'row:stranger', job: 'job-1', id, files: ['/tmp/subject/file-1.pdf'] }) as const;
    const run = handedOver()
      .effects(...TWICE)
      .event(child('a'))
      .event(child('b'));
    expect(causes(run)).toEqual(['children-enqueued-twice']);
  });

  test('nor beside two writers at once', () => {
    const run = restarted().picksUp(2).progress(40).row({ error: 'late' }, 1).progress(60, 2).completed(2);
    const found = causes(run.effects(...TWICE));
    expect(found).toContain('no-fencing');
    expect(found).not.toContain('effects-not-idempotent');
  });

  test('are the job’s own lack of care where nothing else explains them', () => {
    expect(causes(handedOver().effects(...TWICE))).toEqual(['effects-not-idempotent']);
  });
});
