import { describe, expect, test } from 'vitest';
import type { RunBuilder } from '../../testing/history-builder.ts';
import { judgedAs } from '../../testing/judged.ts';
import { struck } from '../../testing/witnessed-runs.ts';
import type { BrokerState, Event } from '../event.ts';
import { createHistory } from '../history.ts';
import { judge } from '../report.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'witnesses-unharmed');
}

describe('the waiting one had been fetched by the dead worker too', () => {
  const UNTIL = { kind: 'at', atMs: 90_000 } as const;
  /** How the broker has it when the worker was gone, and at the end. */
  function fetched(then: Partial<BrokerState>, now: Partial<BrokerState> | null): RunBuilder {
    const state = {
      lockUntilMs: null,
      stalls: null,
      failedReason: null,
      messages: 1,
      owner: null,
      deliveries: null,
    };
    const look = (run: RunBuilder, changes: Partial<BrokerState>): RunBuilder =>
      run.event({
        kind: 'broker:snapshot',
        job: 'job-waiting',
        role: 'witness-waiting',
        state: 'active',
        due: UNTIL,
        ...state,
        ...changes,
      });
    const recovered = look(struck(), then).of('subject').picksUp(2).completed();
    return now === null ? recovered : look(recovered, now);
  }

  test('inconclusive: the broker gives it back later', () => {
    const history = fetched({}, {}).end();
    expect(judgedAs(history, 'witnesses-unharmed')).toBe('inconclusive waiting-witness-stuck not-due-yet');
    expect(judge(history).diagnoses).toMatchObject([{ id: 'not-yet-due', values: { neighbour: 1 } }]);
    expect(seen(fetched({ deliveries: 1 }, { deliveries: 1, owner: 'token-of-1' }))).toContain(
      'inconclusive',
    );
    expect(seen(fetched({}, { due: { kind: 'next-boot' } }))).toContain('inconclusive');
  });

  test('inconclusive: before the worker was gone it had waited, which says nothing of what was fetched since', () => {
    const { events } = fetched({}, {}).end();
    const gone = events.findIndex(({ kind }) => kind === 'worker:gone');
    const look = events.find((event) => event.kind === 'broker:snapshot' && event.role === 'witness-waiting');
    const looked = events.toSpliced(gone, 0, { ...look!, state: 'waiting' } as Event);
    const history = createHistory(looked.map((event, seq) => ({ ...event, seq })));
    expect(judgedAs(history, 'witnesses-unharmed')).toBe('inconclusive waiting-witness-stuck not-due-yet');
  });

  test('failed: it was looked at once alone, or it waits by the last of several looks', () => {
    expect(seen(fetched({}, null))).toBe('failed waiting-witness-stuck');
    const run = fetched({}, {});
    const look = run.events.at(-1)!;
    if (look.kind !== 'broker:snapshot') throw new Error('nobody looked');
    const { seq: _seq, atMs: _atMs, ...again } = look;
    expect(seen(run.event({ ...again, state: 'waiting' }))).toBe('failed waiting-witness-stuck');
  });

  test('failed: in the moment in which it is due it is overdue', () => {
    const atMs = fetched({}, {}).events.at(-1)!.atMs;
    const due = (dueMs: number): string => seen(fetched({}, { due: { kind: 'at', atMs: dueMs } }));
    expect(due(atMs)).toBe('failed waiting-witness-stuck');
    expect(due(atMs + 1)).toContain('inconclusive');
  });

  test('failed: it had waited, a living worker has it, or it is overdue', () => {
    expect(seen(fetched({ state: 'waiting' }, {}))).toBe('failed waiting-witness-stuck');
    expect(seen(fetched({}, { state: 'waiting', due: { kind: 'now' } }))).toBe(
      'failed waiting-witness-stuck',
    );
    expect(seen(fetched({}, { owner: 'celery@host' }))).toBe('failed waiting-witness-stuck');
    expect(seen(fetched({ deliveries: 1 }, { deliveries: 2 }))).toBe('failed waiting-witness-stuck');
    expect(seen(fetched({}, { due: { kind: 'at', atMs: 1 } }))).toBe('failed waiting-witness-stuck');
    expect(seen(fetched({}, { due: { kind: 'unknown' } }))).toBe('failed waiting-witness-stuck');
    expect(seen(fetched({}, { state: 'delayed' }))).toBe('failed waiting-witness-stuck');
  });
});
