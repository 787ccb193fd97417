import { describe, expect, test } from 'vitest';
import { inFlight, type RunBuilder, type RunOptions } from '../../testing/history-builder.ts';
import { diagnosedAs, judgedAs } from '../../testing/judged.ts';
import type { QueueFacts } from '../event.ts';

const CELERY: RunOptions = { queue: 'celery' };
const LATE = { acksLate: true, rejectOnWorkerLost: true };
const LOST_CHILD =
  "ERROR/MainProcess Task handler raised error: WorkerLostError('Worker exited prematurely')";

function says(run: RunBuilder, line: string): RunBuilder {
  return run.event({ kind: 'note', code: 'worker-line', text: `worker #1: ${line}` });
}

function held(facts: QueueFacts, options: RunOptions = {}): RunBuilder {
  return inFlight({ ...CELERY, ...options }).broker({ deliveries: null, facts });
}

function gone(run: RunBuilder, facts: QueueFacts): RunBuilder {
  return run.broker({ state: 'gone', owner: null, due: { kind: 'never' }, messages: 0, facts });
}

function causes(run: RunBuilder): readonly string[] {
  return diagnosedAs(run.timesOut().end());
}

describe('a child of the pool died', () => {
  const dies = (facts: QueueFacts, polite: boolean): readonly string[] => {
    const run = says(held(facts, { polite }).strike(), LOST_CHILD);
    return causes(gone(run, facts).gone().starts(2).ready(2));
  };

  test('its parent acknowledges the job as a failure', () => {
    expect(dies({ acksLate: true, rejectOnWorkerLost: false }, false)).toEqual(['child-death-acked']);
    expect(dies({ acksLate: true, rejectOnWorkerLost: false }, true)).toEqual(['child-death-acked']);
  });

  test('a parent that keeps what it loses put it back, and swallowed it on its way out', () => {
    expect(dies(LATE, true)).toEqual(['lost-in-shutdown-window']);
    // By SIGKILL there is no way out to swallow it on.
    expect(dies(LATE, false)).not.toContain('lost-in-shutdown-window');
  });

  test('what the parent has not told is not guessed', () => {
    expect(dies({}, true)).toEqual(['child-death-acked']);
  });
});

describe('a job that was split', () => {
  const split = (after: QueueFacts): RunBuilder =>
    gone(held({}), { further: 3 })
      .strike()
      .gone()
      .starts(2)
      .ready(2)
      .progress(80, 2)
      .broker({ facts: after });

  test('with nothing left of its parts, what was to end it waits for the dead', () => {
    expect(causes(split({}))).toEqual(['group-waits-for-the-dead']);
  });

  test('with a part that is still to come, it is said when', () => {
    const run = split({ further: 1 }).broker({ due: { kind: 'at', atMs: 10_000_000 } });
    expect(judgedAs(run.timesOut().end(), 'reached-terminal')).toMatch(/^inconclusive/);
  });

  test('it was not acknowledged before it was done', () => {
    const run = gone(held({}), { further: 3 }).strike();
    expect(causes(gone(run, {}).gone().starts(2).ready(2))).toEqual(['group-waits-for-the-dead']);
  });
});

describe('handed back by a worker that a person stopped', () => {
  const stopped = (workersConnected: number): RunBuilder =>
    inFlight({ ...CELERY, restartBy: 'operator' })
      .broker({ deliveries: null, lockUntilMs: 50 })
      .strike()
      .wait(100)
      .broker({ state: 'waiting', owner: null, facts: { workersConnected } })
      .gone()
      .starts(2)
      .picksUp(2)
      .completed();

  test('a message that waits while no worker is there was put back by its own', () => {
    expect(judgedAs(stopped(0).end(), 'restart-observed')).toBe('inconclusive handed-back-politely');
    expect(diagnosedAs(stopped(0).end())).toContain('stopped-politely');
  });

  test('with another worker there it may have been that one', () => {
    expect(judgedAs(stopped(1).end(), 'restart-observed')).toMatch(/^passed/);
  });
});

test('a retry that waited in memory is not a message that was acknowledged too early', () => {
  const run = inFlight({ ...CELERY, strikeAt: 'retrying' }).row(
    { status: 'retrying', retryCount: 1, taskId: null },
    1,
  );
  const causesOf = causes(gone(run, { acksLate: false }).strike().gone().starts(2).ready(2));
  expect(causesOf).toContain('retry-in-memory');
  expect(causesOf).not.toContain('acked-before-done');
});

test('solo puts its acknowledgement off: what is lost by TERM was acknowledged on the way out', () => {
  const facts = { acksLate: false, pool: 'solo' };
  const run = held(facts, { polite: true }).broker({ state: 'unknown', due: { kind: 'unknown' } });
  expect(causes(gone(run.strike(), facts).gone().starts(2).ready(2))).toEqual(['acked-on-shutdown']);
});

test('on a broker that knows numbers alone, what waits after the kill may be the job behind', () => {
  const facts = { acksLate: false, pool: 'prefork' };
  const run = held(facts).broker({ state: 'unknown', due: { kind: 'unknown' }, messages: null });
  run.strike().broker({ state: 'waiting', owner: null, messages: null }).gone().starts(2).ready(2);
  expect(causes(gone(run, facts))).toEqual(['acked-before-done']);
  const surely = held(facts).broker({ state: 'unknown', due: { kind: 'unknown' }, messages: 1 });
  surely.strike().broker({ state: 'waiting', owner: null, messages: 1 }).gone().starts(2).ready(2);
  expect(causes(gone(surely, facts))).toEqual(['redelivered-but-skipped']);
});

test('a worker that nobody can ask: what a crash leaves nothing of was acknowledged before', () => {
  const untold = (polite: boolean): RunBuilder =>
    held({}, { polite })
      .broker({ state: 'unknown', due: { kind: 'unknown' }, messages: 0 })
      .strike();
  expect(causes(gone(untold(false), {}).gone().starts(2).ready(2))).toEqual(['acked-before-done']);
  expect(causes(gone(untold(true), {}).gone().starts(2).ready(2))).toEqual(['acked-on-shutdown']);
});
