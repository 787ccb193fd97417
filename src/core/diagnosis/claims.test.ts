import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';

const FILES = ['/tmp/a.pdf', '/tmp/b.pdf', '/tmp/c.pdf', '/tmp/d.pdf', '/tmp/e.pdf'];

/** The job is done, the last file twice. */
function doneTwice(run: RunBuilder): readonly string[] {
  const created = run.events.find((event) => event.kind === 'job:created' && event.role === 'subject');
  const files = created?.kind === 'job:created' ? created.files : FILES;
  run.event({
    kind: 'effects:counted',
    job: 'job-1',
    role: 'subject',
    source: 'query',
    effects: files.map((item, index) => ({ item, count: index === files.length - 1 ? 2 : 1 })),
  });
  return diagnosedAs(run.end());
}

describe('taken back from a living worker, by the broker’s count of stalls', () => {
  const stalled = (claimedAnew: boolean): RunBuilder => {
    const run = restarted().broker({ stalls: 1 }).picksUp(2).progress(40).broker({ stalls: 2 });
    if (claimedAnew) run.row({ taskId: 'another' }, 2);
    return run.progress(60).completed().acks();
  };

  test('the lock was shorter than the work', () => {
    expect(doneTwice(stalled(true))).toEqual(['lock-shorter-than-work']);
  });

  test('and where the row shows one claim for both runs, that was none', () => {
    expect(doneTwice(stalled(false))).toEqual(['fence-not-unique', 'lock-shorter-than-work']);
  });

  test('the stall of the dead alone is neither', () => {
    const run = restarted().broker({ stalls: 1 }).picksUp(2).progress(60).completed().acks();
    expect(doneTwice(run)).toEqual(['effects-not-idempotent']);
  });
});

describe('the job that waited', () => {
  function gracefully(state: 'ended' | 'waiting'): RunBuilder {
    const run = inFlight({ polite: true }).job('witness-waiting').submitted().of('subject');
    run.strike().row({ status: 'pending', taskId: null }, 1).gone();
    run.event({
      kind: 'broker:snapshot',
      job: 'job-waiting',
      role: 'witness-waiting',
      state,
      owner: null,
      lockUntilMs: null,
      due: { kind: 'never' },
      deliveries: null,
      stalls: null,
      failedReason: null,
      messages: null,
    });
    return run.starts(2).ready(2).picksUp(2).progress(60).completed().acks();
  }

  test('was taken along by the worker that left: its message is over, its row was not begun', () => {
    expect(diagnosedAs(gracefully('ended').end())).toEqual(['lost-in-shutdown-window']);
  });

  test('was not if its message still waits', () => {
    expect(diagnosedAs(gracefully('waiting').end())).toEqual(['slot-left-behind']);
  });
});

describe('a child that was killed', () => {
  function killed(reach: 'child' | 'tree'): readonly string[] {
    const run = inFlight().strike().broker({ state: 'dead', owner: null }).gone().starts(2).ready(2);
    const events = run.timesOut().events.map((event) => ({ ...event }));
    const fault = events.find((event) => event.kind === 'fault:injected');
    if (fault?.kind === 'fault:injected') Object.assign(fault, { reach });
    run.events.splice(0, run.events.length, ...events);
    return diagnosedAs(run.end());
  }

  test('was reported as the end of the job by its parent', () => {
    expect(killed('child')).toEqual(['child-death-acked']);
    expect(killed('tree')).toEqual(['broker-gave-up-row-not-told']);
  });
});

describe('something of the dead', () => {
  test('keeps the successor from becoming ready', () => {
    const run = inFlight().ready(1).job('witness-waiting').submitted().of('subject');
    expect(diagnosedAs(run.strike().gone().starts(2).timesOut().end())).toContain('stale-lock');
  });

  test('does not where the broker had done with the job before the strike', () => {
    const run = inFlight().job('witness-waiting').submitted().of('subject');
    run.broker({ state: 'ended', owner: null }).strike().gone().starts(2).ready(2).timesOut();
    expect(diagnosedAs(run.end())).not.toContain('stale-lock');
  });
});
