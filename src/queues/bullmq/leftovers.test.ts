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
