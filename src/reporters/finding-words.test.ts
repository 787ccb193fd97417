import { describe, expect, test } from 'vitest';
import { finding } from '../core/findings.ts';
import { describeBriefly, describeFinding } from './finding-words.ts';
import { runWords } from './run-words.ts';

const WORDS = runWords({ countedFrom: 'restart', statuses: {} });

describe('findings in words', () => {
  test.each([
    [finding('row-gone', { atMs: 1, incarnation: 2 }), 'the row was deleted by worker #2'],
    [finding('row-gone', { atMs: 1, incarnation: null }), 'the row was deleted'],
    [
      finding('row-in-every-observation', { versions: 1, source: 'trigger' }),
      '1 version recorded, none missing',
    ],
    [
      finding('struck-in-flight', {
        fault: 'SIGKILL (tree)',
        incarnation: 1,
        state: 'processing',
        progress: 20,
      }),
      'SIGKILL (tree) to worker #1 while the job was processing 20 %',
    ],
    [
      finding('worker-gone', { incarnation: 1, proof: 'processes', connectionsGone: true, afterMs: 55 }),
      'worker #1 gone after 55 ms (every process of its tree and connection)',
    ],
    [
      finding('worker-gone', { incarnation: 1, proof: 'connections', connectionsGone: true, afterMs: 1_500 }),
      'worker #1 gone after 1.5 s (its connections)',
    ],
    [
      finding('worker-still-there', { incarnation: 1, pids: '', connections: 'a, b' }),
      'worker #1 is still connected (a, b)',
    ],
    [
      finding('not-terminal', { state: 'processing', progress: null, afterMs: 61_000 }),
      'still processing 61 s after the restart',
    ],
    [
      finding('ended-otherwise', { state: 'failed', expected: 'completed', error: '' }),
      'failed; without a restart the same job is completed',
    ],
    [finding('one-row', { children: 1 }), 'one row and 1 child'],
    [
      finding('changed-after-end', {
        state: 'failed',
        now: 'processing',
        columns: 'status',
        incarnation: 2,
        afterMs: 900,
      }),
      '0.9 s after it was failed, status changed by worker #2; the status is now processing',
    ],
  ])('%s', (given, words) => {
    expect(describeFinding(given, WORDS)).toBe(words);
  });
});

describe('findings in brief', () => {
  test('a pass needs few words', () => {
    expect(
      describeBriefly(finding('started-at-kept', { startedAt: '2026-01-31T12:00:00', versions: 3 }), WORDS),
    ).toBe('started_at kept');
    expect(
      describeBriefly(
        finding('struck-in-flight', {
          fault: 'SIGKILL (tree)',
          incarnation: 1,
          state: 'processing',
          progress: 20,
        }),
        WORDS,
      ),
    ).toBe('SIGKILL at 20 %');
    expect(
      describeBriefly(
        finding('struck-in-flight', {
          fault: 'SIGKILL (tree)',
          incarnation: 1,
          state: 'pending',
          progress: null,
        }),
        WORDS,
      ),
    ).toBe('SIGKILL at pending');
  });

  test('what the title says already is left out, what has no brief form is told whole', () => {
    expect(describeBriefly(finding('new-worker', { incarnation: 2, afterMs: 5 }), WORDS)).toBeNull();
    expect(describeBriefly(finding('rows-not-counted'), WORDS)).toBe('the rows were not counted');
  });
});
