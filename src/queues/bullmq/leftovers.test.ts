import { expect, test } from 'vitest';
import { leftoverMessages, type OtherMessage } from './leftovers.ts';

const JOB = '3f1c9a2e-0000-4000-8000-000000000001';
const OTHER_JOB = '3f1c9a2e-0000-4000-8000-000000000002';

function found(message: Partial<OtherMessage>): readonly string[] {
  const other: OtherMessage = {
    id: '7',
    name: 'watch',
    data: JSON.stringify({ about: { jobId: JOB } }),
    addedAtEpochMs: 1_000_500,
    dueAtEpochMs: 1_060_000,
    repeating: false,
    childOfMessage: false,
    ...message,
  };
  const toRunMs = (epochMs: number): number => epochMs - 1_000_000;
  return leftoverMessages([other], { job: JOB, messageId: JOB }, toRunMs).map(
    ({ kind, name, setAtMs, dueAtMs }) => `${kind} ${name} ${setAtMs} ${dueAtMs}`,
  );
}

test('a delayed message about the job, with the times of the run', () => {
  expect(found({})).toEqual(['delayed watch (7) 500 60000']);
  expect(found({ data: '{}', id: `watch-${JOB}` })).toHaveLength(1);
});

test('a repeating one, also between two of its times', () => {
  expect(found({ repeating: true, dueAtEpochMs: null })).toEqual(['repeating watch (7) 500 null']);
});

test('not: another job, the message itself, its children, what waits to be worked on', () => {
  expect(found({ data: JSON.stringify({ jobId: OTHER_JOB }) })).toEqual([]);
  expect(found({ id: JOB })).toEqual([]);
  expect(found({ childOfMessage: true })).toEqual([]);
  expect(found({ dueAtEpochMs: null })).toEqual([]);
  expect(found({ data: 'no JSON' })).toEqual([]);
});

test('a short id counts in the place where the own message has it, since the run began', () => {
  const about = (
    data: unknown,
    addedAtEpochMs = 1_000_500,
    payload: unknown = { jobId: '7', page: 3 },
  ): number => {
    const other: OtherMessage = {
      id: '12',
      name: 'poll',
      data: JSON.stringify(data),
      addedAtEpochMs,
      dueAtEpochMs: 1_060_000,
      repeating: true,
      childOfMessage: false,
    };
    return leftoverMessages([other], { job: '7', messageId: 'm' }, (ms) => ms - 1_000_000, payload).length;
  };
  expect(about({ jobId: 7 })).toBe(1);
  expect(about({ jobId: '70', page: 7 })).toBe(0);
  expect(about({ jobId: '7' }, 999_000)).toBe(0);
  expect(about({ jobId: '7' }, 1_000_500, null)).toBe(0);
});
