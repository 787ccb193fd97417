import { describe, expect, test } from 'vitest';
import { inFlight, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';

describe('a new worker that is there before the old one is stopped', () => {
  /** Worker 2 claims while worker 1 works on. */
  const overlap = (stalls: number): RunBuilder =>
    inFlight({ polite: true })
      .starts(2)
      .ready(2)
      .broker({ stalls })
      .row({ taskId: 'of worker 2' }, 2)
      .progress(40, 1)
      .strike()
      .gone()
      .progress(60, 2)
      .completed(2)
      .acks();

  test('took a job from one that was alive', () => {
    expect(diagnosedAs(overlap(0).end())).toContain('recovered-live-job');
  });

  test('did not where the broker had taken it back: then the lock had ended', () => {
    expect(diagnosedAs(overlap(1).end())).not.toContain('recovered-live-job');
  });

  test('did not where it came after the strike', () => {
    const run = inFlight({ polite: true }).strike().starts(2).row({ taskId: 'of worker 2' }, 2);
    const late = run.progress(40, 1).gone().progress(60, 2).completed(2).acks();
    expect(diagnosedAs(late.end())).not.toContain('recovered-live-job');
  });
});
