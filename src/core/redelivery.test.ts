import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder } from '../testing/history-builder.ts';
import { diagnosedAs, judgedAs } from '../testing/judged.ts';
import type { Event } from './event.ts';

function atMsOf(run: RunBuilder): number {
  return run.events.at(-1)?.atMs ?? 0;
}

function verdict(run: RunBuilder): string {
  return judgedAs(run.end(), 'reached-terminal').split(' ')[0] ?? '';
}

/** The whole wait is over; the last look finds the message due so much later. */
function endsDueIn(run: RunBuilder, ms: number): RunBuilder {
  run.wait(120_000);
  run.event({ kind: 'timeout:reached', timeout: 'terminal', afterMs: 120_000 });
  return run.broker({ due: { kind: 'at', atMs: atMsOf(run) + ms } });
}

describe('a message that is still to come', () => {
  test('settles nothing yet', () => {
    expect(verdict(endsDueIn(restarted(), 20_000))).toBe('inconclusive');
  });

  test('does not if it is overdue: that is due at every look', () => {
    expect(verdict(endsDueIn(restarted(), 0))).toBe('failed');
  });

  test('does not if the new worker never became ready, as the old one had', () => {
    const run = (): RunBuilder => inFlight().ready(1).strike().gone().starts(2);
    expect(verdict(endsDueIn(run(), 20_000))).toBe('failed');
    expect(verdict(endsDueIn(run().ready(2), 20_000))).toBe('inconclusive');
    // Where nobody was ever told to be ready, it says nothing that this one was not.
    expect(verdict(endsDueIn(inFlight().strike().gone().starts(2), 20_000))).toBe('inconclusive');
  });
});

describe('a message that new workers put off', () => {
  /** Handed out so often since the restart, and put off again each time. */
  function putOff(times: number): RunBuilder {
    const run = restarted();
    const delivered = run.events.findLast(
      (event): event is Extract<Event, { kind: 'broker:snapshot' }> => event.kind === 'broker:snapshot',
    );
    for (let time = 1; time <= times; time += 1) {
      run
        .wait(300)
        .broker({ state: 'delayed', owner: null, deliveries: (delivered?.deliveries ?? 0) + time });
    }
    return run;
  }

  test('again and again, untouched, will be put off once more', () => {
    expect(verdict(endsDueIn(putOff(2), 300))).toBe('failed');
    expect(verdict(endsDueIn(putOff(1), 300))).toBe('inconclusive');
  });

  test('counted by the message itself, though no look found it put off', () => {
    const run = inFlight({ queue: 'celery' }).broker({ deliveries: null, facts: { retries: 0 } });
    run
      .strike()
      .gone()
      .starts(2)
      .ready(2)
      .broker({ owner: null, facts: { retries: 2 } });
    expect(verdict(endsDueIn(run, 300))).toBe('failed');
  });

  test('for longer than was waited may be for a reason that ends', () => {
    expect(verdict(endsDueIn(putOff(3), 200_000))).toBe('inconclusive');
  });

  test('is kept from them by something, if the job behind it is too', () => {
    const run = putOff(3).of('witness-waiting').job('witness-waiting').submitted().of('subject');
    expect(diagnosedAs(endsDueIn(run, 300).end())).not.toContain('not-yet-due');
  });
});
