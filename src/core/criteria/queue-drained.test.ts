import { describe, expect, test } from 'vitest';
import { createHistory } from '../history.ts';
import type { EventBody, Leftover, QueueFacts } from '../event.ts';
import { handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'queue-drained');
}

const ended = (): RunBuilder => restarted().picksUp(2).row({ status: 'completed', completedAt: 'x' }, 2);

const COMPLETED = { status: 'completed', completedAt: 'x' };

function left(...leftovers: readonly Leftover[]): Extract<EventBody, { kind: 'broker:leftovers' }> {
  return { kind: 'broker:leftovers', job: 'job-1', role: 'subject', leftovers };
}

describe('passed', () => {
  test.each(['ended', 'gone'] as const)('the broker counts it as %s', (state) => {
    expect(seen(ended().broker({ state, owner: null, messages: 0 }))).toBe('passed broker-says');
  });

  test('a follow-up that was sent with the end, or an alarm that goes off before we look', () => {
    const run = restarted().picksUp(2).wait(2_000).row({ status: 'completed', completedAt: 'x' }, 2).acks();
    const endMs = run.events.at(-1)?.atMs ?? 0;
    const followUp = left({
      kind: 'delayed',
      name: 'mail (8)',
      setAtMs: endMs - 20,
      dueAtMs: endMs + 60_000,
    });
    const goneOff = left({ kind: 'delayed', name: 'watch (7)', setAtMs: 20, dueAtMs: endMs });
    expect(seen(run.event(followUp))).toBe('passed broker-says');
    expect(seen(run.event(goneOff))).toBe('passed broker-says');
  });

  test('… or that does not tell when it was set, or when it is due, or is about another job', () => {
    const ended = (): RunBuilder => restarted().picksUp(2).wait(2_000).row(COMPLETED, 2).acks();
    const alarm = { kind: 'delayed', name: 'watch (7)', setAtMs: 20, dueAtMs: 3_600_000 } as const;
    expect(seen(ended().event(left({ ...alarm, setAtMs: null })))).toBe('passed broker-says');
    expect(seen(ended().event(left({ ...alarm, dueAtMs: null })))).toBe('passed broker-says');
    const others = { ...left(alarm), job: 'job-waiting', role: 'witness-waiting' } as const;
    expect(seen(ended().event(others))).toBe('passed broker-says');
  });

  test('dead, where the row failed too', () => {
    const run = restarted().picksUp(2).failed().broker({ state: 'dead' });
    expect(seen(run)).toBe('passed broker-says');
  });
});

describe('failed', () => {
  test('done, and never acknowledged', () => {
    const history = ended()
      .broker({ due: { kind: 'at', atMs: 30_000 } })
      .end();
    expect(judgedAs(history, 'queue-drained')).toBe('failed still-in-queue');
    expect(findingOf(history, 'still-in-queue')).toMatchObject({
      broker: 'the broker counts it as held by token-of-2',
    });
  });

  test('an alarm, a repeating entry, or a lock is left', () => {
    const alarm = { kind: 'delayed', name: 'watch (7)', setAtMs: 20, dueAtMs: 3_600_000 } as const;
    const long = restarted().picksUp(2).wait(2_000).row({ status: 'completed', completedAt: 'x' }, 2).acks();
    const found = long.event(left(alarm)).end();
    expect(judgedAs(found, 'queue-drained')).toBe('failed set-for-the-job');
    expect(diagnosedAs(found)).toEqual(['queue-leftovers']);
    const repeating = left({ kind: 'repeating', name: 'poll (repeat:7:1)', setAtMs: 9_000, dueAtMs: null });
    expect(seen(ended().acks().event(repeating))).toBe('failed set-for-the-job');
    const lock = left({ kind: 'lock', name: 'lock:job-1', setAtMs: null, dueAtMs: null });
    expect(seen(ended().acks().event(lock))).toBe('failed lock-stands');
  });

  test('an alarm that was set half a second before the end, and is due after the look', () => {
    const alarm = (setBeforeMs: number, dueAfterMs: number): string => {
      const run = restarted().picksUp(2).wait(2_000).row(COMPLETED, 2);
      const endMs = run.events.at(-1)!.atMs;
      const lookMs = run.acks().events.at(-1)!.atMs + 10;
      const times = { setAtMs: endMs - setBeforeMs, dueAtMs: lookMs + dueAfterMs };
      return seen(run.event(left({ kind: 'delayed', name: 'watch (7)', ...times })));
    };
    expect(alarm(501, 1)).toBe('failed set-for-the-job');
    expect(alarm(500, 1)).toBe('passed broker-says');
    expect(alarm(501, 0)).toBe('passed broker-says');
  });

  test('a second message is left', () => {
    expect(seen(ended().broker({ state: 'ended', messages: 1 }))).toBe('failed messages-left');
  });

  test('the broker gave up what is completed', () => {
    expect(seen(ended().broker({ state: 'dead', messages: 0 }))).toBe('failed row-and-queue-disagree');
  });
});

describe('nothing to judge', () => {
  test('skipped: it did not end', () => {
    expect(seen(restarted().timesOut())).toBe('skipped no-end-to-compare');
  });

  test('skipped: no broker was given', () => {
    expect(seen(handedOver({ broker: false }))).toBe('skipped broker-hidden');
  });

  test('passed: it told after the end, and did not answer any more then', () => {
    expect(seen(ended().acks().broker({ state: 'unknown' }))).toBe('passed broker-says');
  });

  test('inconclusive: the broker does not tell', () => {
    const untold = restarted()
      .picksUp(2)
      .row({ status: 'completed', completedAt: '2026-01-31T12:00:09+00:00' }, 2);
    expect(seen(untold.broker({ state: 'unknown' }))).toBe('inconclusive broker-not-asked');
    const { events } = ended().end();
    const unasked = events.filter(({ kind }) => kind !== 'broker:snapshot');
    expect(judgedAs(createHistory(unasked), 'queue-drained')).toBe('inconclusive broker-not-asked');
  });

  test('skipped: only the workers could tell, and none ever answered', () => {
    const celery = (facts: QueueFacts): string => {
      const run = inFlight({ queue: 'celery' })
        .broker({ facts })
        .strike()
        .gone()
        .starts(2)
        .ready(2)
        .picksUp(2);
      run.row({ status: 'completed', completedAt: '2026-01-31T12:00:09+00:00' }, 2);
      return seen(run.broker({ state: 'unknown', facts: {} }));
    };
    expect(celery({})).toBe('skipped workers-do-not-tell');
    const gone = inFlight({ queue: 'celery' })
      .broker({ facts: {} })
      .strike()
      .gone()
      .starts(2)
      .ready(2)
      .picksUp(2);
    expect(seen(gone.completed().broker({ state: 'gone', owner: null, messages: null }))).toMatch(/^passed/);
    expect(celery({ pool: 'prefork' })).toBe('inconclusive broker-not-asked');
  });

  test('inconclusive: the acknowledgement may still have come', () => {
    expect(judgedAs(ended().looks().history(), 'queue-drained')).toBe('inconclusive not-settled');
  });
});
