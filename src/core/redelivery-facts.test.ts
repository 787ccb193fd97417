/** What the broker shows after the strike, fact by fact: criteria and diagnoses would only show that something is wrong. */
import { describe, expect, test } from 'vitest';
import { aRun, inFlight, restarted, type RunBuilder } from '../testing/history-builder.ts';
import type { BrokerState, QueueFacts } from './event.ts';
import { lastSnapshotBefore, type BrokerSnapshot } from './history.ts';
import {
  dueAfterEnd,
  findStallOfTheLiving,
  isGivenUpForStalls,
  isHeldByAnother,
  isSomebodyThere,
  putBackUntouched,
  wasHandedOutBefore,
} from './redelivery.ts';
import { restartFacts, type RestartFacts } from './restart.ts';

function nowMs(run: RunBuilder): number {
  return run.events.at(-1)!.atMs;
}

function atLastLook(run: RunBuilder): [RestartFacts, BrokerSnapshot] {
  const facts = restartFacts(run.history());
  return [facts, lastSnapshotBefore(facts.snapshots)!];
}

describe('whether another worker holds the job', () => {
  const isHeld = (run: RunBuilder): boolean => isHeldByAnother(...atLastLook(run));
  const unnamed = { owner: null, state: 'active', due: { kind: 'next-boot' } } as const;

  test('by its writes, where the broker names no holder', () => {
    expect(isHeld(restarted({ queue: 'celery' }).broker(unnamed))).toBe(false);
    expect(isHeld(restarted({ queue: 'celery' }).picksUp(2).broker(unnamed))).toBe(true);
  });

  test('by the answer of a worker, once the struck one was gone and another had come', () => {
    const answers = (run: RunBuilder, facts: QueueFacts = { heldBy: 'celery@host' }): RunBuilder =>
      run.broker({ ...unnamed, facts });
    const start = (): RunBuilder => inFlight({ queue: 'celery' }).strike();
    expect(isHeld(answers(start().gone().starts(2).ready(2)))).toBe(true);
    expect(isHeld(answers(start().gone().starts(2).ready(2), {}))).toBe(false);
    expect(isHeld(answers(start().gone().starts(2)))).toBe(false);
    expect(isHeld(answers(start().gone()).starts(2).ready(2))).toBe(false);
    expect(isHeld(answers(start().starts(2).ready(2)))).toBe(false);
  });

  test('not once the message waits again', () => {
    expect(isHeld(restarted().picksUp(2).broker({ state: 'waiting', owner: null }))).toBe(false);
  });
});

test('what was written is asked of the look that comes after it, if any comes', () => {
  const handedOut = (run: RunBuilder, seq: number): boolean => {
    const facts = restartFacts(run.history());
    return wasHandedOutBefore(
      facts,
      facts.changes.find((version) => version.seq === seq)!,
    );
  };
  const run = restarted().progress(40, 2);
  const { seq } = run.events.at(-1)!;
  expect(handedOut(run, seq)).toBe(false);
  expect(handedOut(run.delivered(2), seq)).toBe(true);
});

describe('how often it was put back untouched', () => {
  const putBack = (run: RunBuilder) => putBackUntouched(...atLastLook(run));
  const retried = (run: RunBuilder, retries: number): RunBuilder => run.broker({ facts: { retries } });

  test('by the retries of the message since the strike, or by its deliveries', () => {
    const before = (): RunBuilder => retried(aRun().job().submitted().picksUp(1), 3).strike().gone();
    expect(putBack(retried(before().starts(2).ready(2), 4))).toEqual({ times: 1, inVain: false });
    expect(putBack(retried(before().starts(2).ready(2), 5))).toEqual({ times: 2, inVain: true });
    expect(putBack(restarted().broker({ deliveries: 3 }))).toEqual({ times: 2, inVain: true });
    expect(putBack(restarted().broker({ deliveries: null }))).toEqual({ times: 0, inVain: false });
  });

  test('it is not untouched where somebody wrote since, or had taken it over before the old one was gone', () => {
    const noted = restarted().row({ error: 'locked' }, 'somebody').broker({ deliveries: 3 });
    expect(putBack(noted)).toEqual({ times: 0, inVain: false });
    const early = inFlight().strike().starts(2).ready(2).picksUp(2).gone().broker({ deliveries: 5 });
    expect(putBack(early)).toEqual({ times: 0, inVain: false });
  });

  describe('by the times that it is put off to, where nothing is counted', () => {
    const dueAt = (atMs: number): Partial<BrokerState> => ({ state: 'delayed', due: { kind: 'at', atMs } });
    const uncounted = (): RunBuilder => aRun().job().submitted().picksUp(1).broker({ deliveries: null });
    const back = (...looks: readonly Partial<BrokerState>[]): RunBuilder => {
      const run = uncounted().strike().gone().starts(2).ready(2);
      for (const look of looks) run.broker({ owner: null, ...look });
      return run;
    };

    test('each later than the one before, as far as to the look', () => {
      const run = back(dueAt(1_000), dueAt(2_000), dueAt(2_050), dueAt(3_000));
      const [facts] = atLastLook(run);
      const times = facts.snapshots.slice(-4).map((look) => putBackUntouched(facts, look).times);
      expect(times).toEqual([1, 2, 2, 3]);
    });

    test('not what waits, nor what has no time', () => {
      expect(
        putBack(back({ ...dueAt(1_000), state: 'waiting' }, { ...dueAt(2_000), state: 'waiting' })),
      ).toEqual({ times: 0, inVain: false });
      const untimed = { state: 'delayed', due: { kind: 'now' } } as const;
      expect(putBack(back(untimed, { ...untimed, messages: 2 }))).toEqual({ times: 0, inVain: false });
    });

    test('a time that it had before the strike was not named by a new worker', () => {
      const run = uncounted().broker(dueAt(1_000)).strike().gone().starts(2).ready(2);
      expect(putBack(run.broker(dueAt(1_000)))).toEqual({ times: 0, inVain: false });
      expect(putBack(run.broker(dueAt(2_000)))).toEqual({ times: 1, inVain: false });
    });
  });

  test('nothing is known of it where the broker was not asked before', () => {
    const run = inFlight({ broker: false }).strike().gone().starts(2).ready(2);
    const unasked = { state: 'delayed', owner: null, deliveries: 4, ...REST } as const;
    const asked = run.event({ kind: 'broker:snapshot', job: 'job-1', role: 'subject', ...unasked });
    const facts = restartFacts(asked.history());
    const later = { ...facts, heldByStruck: undefined };
    expect(putBackUntouched(later, facts.snapshots[0]!)).toEqual({ times: 0, inVain: false });
    expect(isHeldByAnother(later, { ...facts.snapshots[0]!, state: 'active' })).toBe(false);
  });
});

const REST: Omit<BrokerState, 'state' | 'owner' | 'deliveries'> = {
  lockUntilMs: null,
  due: { kind: 'now' },
  stalls: null,
  failedReason: null,
  messages: 1,
};

test('given up for its stalls is what the broker counts as dead for that reason', () => {
  const last = (state: 'dead' | 'active', failedReason: string | null): boolean =>
    isGivenUpForStalls(atLastLook(restarted().broker({ state, failedReason }))[1]);
  expect(last('dead', 'job stalled more than allowable limit')).toBe(true);
  expect(last('active', 'job stalled more than allowable limit')).toBe(false);
  expect(last('dead', null)).toBe(false);
  expect(isGivenUpForStalls(undefined)).toBe(false);
});

describe('when it is still to come', () => {
  const due = (run: RunBuilder): string | undefined => {
    const history = run.history();
    return dueAfterEnd(history, restartFacts(history));
  };
  const timesOut = (run: RunBuilder, timeout: 'processing' | 'terminal'): RunBuilder =>
    run.event({ kind: 'timeout:reached', timeout, afterMs: 1_000 });
  const dueAt = (run: RunBuilder, atMs: number): RunBuilder => run.broker({ due: { kind: 'at', atMs } });
  const lockedUntil = (run: RunBuilder, lockUntilMs: number): RunBuilder => run.broker({ lockUntilMs });

  test('later than it was waited for, and than it was looked at', () => {
    const waited = (dueMs: number): RunBuilder => {
      const run = restarted();
      return timesOut(dueAt(run, nowMs(run) + dueMs), 'terminal').wait(500);
    };
    // The look comes after 10 ms, the end of the time after 20.
    expect(due(waited(20))).toBeUndefined();
    expect(due(waited(21))).toBeDefined();
    const lookedAgain = (dueMs: number): RunBuilder => {
      const run = timesOut(restarted(), 'terminal').wait(500);
      return dueAt(run, nowMs(run) + 500 + dueMs).wait(500);
    };
    expect(due(lookedAgain(10))).toBeUndefined();
    expect(due(lookedAgain(11))).toBeDefined();
  });

  test('not before a lock ends that outlasts the wait, if the broker tells no other time', () => {
    const locked = (lockMs: number): RunBuilder => {
      const run = restarted();
      return timesOut(lockedUntil(run, nowMs(run) + lockMs), 'terminal')
        .wait(500)
        .reads();
    };
    expect(due(locked(20))).toBeUndefined();
    expect(due(locked(21))).toMatch(/^not before the lock of its holder ends, in about/);
    expect(due(locked(21).broker({ state: 'waiting' }))).toBeUndefined();
    expect(due(locked(21).broker({ lockUntilMs: null }))).toBeUndefined();
  });

  test('the wait is that for the end, else the whole run', () => {
    const run = timesOut(restarted(), 'processing');
    const locked = lockedUntil(run, nowMs(run) + 200);
    expect(due(locked)).toBeDefined();
    expect(due(locked.wait(500).reads())).toBeUndefined();
  });

  test.each(['now', 'never'] as const)('no more where it is due %s', (kind) => {
    expect(due(restarted().broker({ due: { kind } }))).toBeUndefined();
  });

  test('no more where the next worker only puts it back again, though it would at the next start', () => {
    const started = { due: { kind: 'next-boot' }, state: 'delayed' } as const;
    expect(due(restarted().broker({ ...started, deliveries: 2 }))).toBe('at the next start of a worker');
    expect(due(restarted().broker({ ...started, deliveries: 3 }))).toBeUndefined();
  });

  test('… unless it named a time as far away as was waited since it came first', () => {
    const putOff = (furtherMs: number): RunBuilder => {
      const run = restarted().broker({ state: 'delayed', owner: null, deliveries: 2 });
      const firstMs = nowMs(run);
      timesOut(run.wait(300), 'terminal');
      const limitMs = nowMs(run);
      const at = { kind: 'at', atMs: limitMs + (limitMs - firstMs) + furtherMs } as const;
      return run.broker({ state: 'delayed', owner: null, deliveries: 3, due: at });
    };
    expect(due(putOff(-1))).toBeUndefined();
    expect(due(putOff(0))).toBeDefined();
  });
});

describe('a job that was taken back from a holder that was alive', () => {
  const stalled = (run: RunBuilder): boolean =>
    findStallOfTheLiving(restartFacts(run.history())) !== undefined;

  test('before the strike, or without one', () => {
    expect(stalled(inFlight())).toBe(false);
    expect(stalled(inFlight().broker({ stalls: 1 }))).toBe(true);
    expect(stalled(inFlight().broker({ stalls: 1 }).strike().gone())).toBe(true);
  });

  test('from the new worker that held it, not from the struck one', () => {
    expect(stalled(restarted().broker({ stalls: 1 }))).toBe(false);
    expect(stalled(restarted().picksUp(2).broker({ stalls: 1 }))).toBe(true);
  });

  test('only where it is counted', () => {
    expect(stalled(inFlight().broker({ stalls: null }).broker({ stalls: 1 }))).toBe(false);
    expect(stalled(inFlight().broker({ stalls: null }))).toBe(false);
  });
});

describe('whether a successor was there to take it', () => {
  const isThere = (run: RunBuilder): boolean => {
    const history = run.history();
    return isSomebodyThere(history, restartFacts(history));
  };

  test('it was ready, or it wrote', () => {
    expect(isThere(inFlight().ready(1).strike().gone().starts(2))).toBe(false);
    expect(isThere(restarted())).toBe(true);
    expect(isThere(inFlight().strike().gone().starts(2).picksUp(2))).toBe(true);
  });

  test('and did not die', () => {
    expect(isThere(restarted().exits(2, 1))).toBe(false);
  });
});
