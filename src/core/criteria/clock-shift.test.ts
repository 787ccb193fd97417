import { describe, expect, it } from 'vitest';
import type { Event, EventBody, RowValues } from '../event.ts';
import { createHistory } from '../history.ts';
import { restartFacts } from '../restart.ts';
import { clockShifts, isCreatedAtGuessed } from './clock-shift.ts';

const NOON = Date.parse('2026-03-01T12:00:00Z');

/** A job that is made at noon, started a second later, and ended a second after that. */
function shiftsOf(columns: Partial<RowValues>, offsetMs = 0, createdAtGuessed = false) {
  const row = (state: RowValues['state'], secondsLater: number, roles: readonly (keyof RowValues)[]) => ({
    kind: 'row:version' as const,
    job: 'j',
    role: 'subject' as const,
    source: 'trigger' as const,
    operation: 'update' as const,
    databaseAtMs: NOON + secondsLater * 1_000,
    values: {
      status: state,
      state,
      digest: String(secondsLater),
      ...Object.fromEntries(roles.map((role) => [role, columns[role] ?? null])),
    },
  });
  const bodies: EventBody[] = [
    { kind: 'clock:measured', offsetMs, uncertaintyMs: 1 },
    { kind: 'job:created', job: 'j', role: 'subject', status: 'pending', files: [], createdAtGuessed },
    row('pending', 0, ['createdAt']),
    row('processing', 1, ['createdAt', 'startedAt']),
    row('completed', 2, ['createdAt', 'startedAt', 'completedAt']),
  ];
  const history = createHistory(bodies.map((body, seq): Event => ({ ...body, seq, atMs: seq })));
  return clockShifts(history, restartFacts(history));
}

describe('with a zone', () => {
  it('takes the right time, however it is written', () => {
    const columns = {
      createdAt: '2026-03-01T12:00:00+00:00',
      startedAt: '2026-03-01T21:00:01+09:00',
      completedAt: '2026-03-01T12:00:02Z',
    };
    expect(shiftsOf(columns)).toEqual([]);
  });

  it('finds local time that was written as UTC', () => {
    const columns = { createdAt: '2026-03-01T12:00:00+00:00', startedAt: '2026-03-01T21:00:01+00:00' };
    expect(shiftsOf(columns)).toEqual([{ code: 'timestamp-shifted', column: 'started_at', hours: 9 }]);
  });

  it('leaves a clock alone that is off by no zone', () => {
    expect(shiftsOf({ startedAt: '2026-03-01T12:07:01+00:00' })).toEqual([]);
    expect(shiftsOf({ startedAt: '2026-03-01T12:20:01+00:00' })).toEqual([]);
  });

  it('takes for a zone what is off by one to within five seconds', () => {
    expect(shiftsOf({ startedAt: '2026-03-01T13:00:06+00:00' })).toEqual([]);
    expect(shiftsOf({ startedAt: '2026-03-01T13:00:05.999+00:00' })).toHaveLength(1);
  });
});

describe('without a zone', () => {
  it('takes any convention that all columns keep', () => {
    const columns = {
      createdAt: '2026-03-01T21:00:00',
      startedAt: '2026-03-01T21:00:01',
      completedAt: '2026-03-01T21:00:02',
    };
    expect(shiftsOf(columns)).toEqual([]);
  });

  it('finds the one that differs, also by half an hour and also behind', () => {
    const columns = {
      createdAt: '2026-03-01T12:00:00',
      startedAt: '2026-03-01T17:30:01',
      completedAt: '2026-03-01T07:00:02',
    };
    expect(shiftsOf(columns)).toEqual([
      { code: 'timestamp-shifted', column: 'started_at', hours: 5.5 },
      { code: 'timestamp-shifted', column: 'completed_at', hours: -5 },
    ]);
  });

  it('leaves out a created_at that the harness had to guess', () => {
    const columns = {
      createdAt: '2026-03-01T12:00:00',
      startedAt: '2026-03-01T21:00:01',
      completedAt: '2026-03-01T21:00:02',
    };
    expect(shiftsOf(columns).map(({ code }) => code)).toEqual(['timestamp-shifted', 'timestamp-shifted']);
    expect(shiftsOf(columns, 0, true)).toEqual([]);
    const mixed = { ...columns, completedAt: '2026-03-01T12:00:02' };
    expect(shiftsOf(mixed, 0, true)).toEqual([
      { code: 'timestamp-shifted', column: 'completed_at', hours: -9 },
    ]);
  });

  it('leaves out what is no time of day', () => {
    const columns = { createdAt: '2026-03-01', startedAt: '2026-03-01T12:00:01' };
    expect(shiftsOf({ ...columns, completedAt: '2026-03-01T21:00:02' })).toEqual([
      { code: 'timestamp-shifted', column: 'completed_at', hours: 9 },
    ]);
    expect(shiftsOf({ ...columns, createdAt: null, completedAt: '2026-03-01T21:00:02' })).toHaveLength(1);
  });

  it('judges nothing where there is nothing to compare with', () => {
    expect(shiftsOf({ startedAt: '2026-03-01T21:00:01' })).toEqual([]);
  });
});

it('compares with a database whose clock is off by less than any zone', () => {
  const startedAt = '2026-03-01T13:00:01+00:00';
  expect(shiftsOf({ startedAt }, 450_000)).toHaveLength(1);
  expect(shiftsOf({ startedAt }, 450_001)).toEqual([]);
});

it.each([
  ['the subject', { subject: true, witness: false }],
  ['its witness', { subject: false, witness: true }],
])('knows a created_at as guessed of that job alone: %s', (_name, guessed) => {
  const created = (job: string, createdAtGuessed: boolean): EventBody => ({
    kind: 'job:created',
    job,
    role: job === 'j' ? 'subject' : 'witness-ended',
    status: 'pending',
    files: [],
    createdAtGuessed,
  });
  const bodies = [created('w', guessed.witness), created('j', guessed.subject)];
  const history = createHistory(bodies.map((body, seq): Event => ({ ...body, seq, atMs: seq })));
  expect(isCreatedAtGuessed(history, restartFacts(history))).toBe(guessed.subject);
});

it('judges nothing against a database whose own clock is off, by an hour or ten minutes', () => {
  expect(shiftsOf({ startedAt: '2026-03-01T13:00:01+00:00' }, -600_000)).toEqual([]);
  expect(shiftsOf({ startedAt: '2026-03-01T13:00:01+00:00' }, -3_600_000)).toEqual([]);
});
