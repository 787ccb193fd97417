import { expect, test } from 'vitest';
import type { StrikeAt } from './settings.ts';
import { describeStrikeAt, parseStrikeAt } from './strike-at.ts';

const moments: readonly [string, StrikeAt][] = [
  ['processing', { kind: 'processing' }],
  ['progress', { kind: 'progress' }],
  ['pending', { kind: 'pending' }],
  ['retrying', { kind: 'retrying' }],
  ['progress:1%', { kind: 'progress-at', percent: 1 }],
  ['progress:40%', { kind: 'progress-at', percent: 40 }],
  ['progress:99%', { kind: 'progress-at', percent: 99 }],
  ['2s', { kind: 'after-processing', delayMs: 2_000 }],
  ['1500ms', { kind: 'after-processing', delayMs: 1_500 }],
];

test.each(moments)('%s is read, and told in the same words', (text, strikeAt) => {
  expect(parseStrikeAt(text, '--strike-at')).toEqual(strikeAt);
  expect(describeStrikeAt(strikeAt)).toBe(text);
});

test.each([
  ['progres', 'did you mean "progress"?'],
  ['PENDING', 'did you mean "pending"?'],
  ['progress:40', 'did you mean "progress:40%"?'],
  ['progress:x%', 'did you mean "progress:40%"?'],
  ['later', 'valid: processing,'],
  ['', 'valid: processing,'],
])('%j is no moment', (text, remedy) => {
  expect(() => parseStrikeAt(text, '--strike-at')).toThrow(
    expect.objectContaining({
      code: 'invalid-strike-at',
      message: `--strike-at is ${JSON.stringify(text)}, which is no moment of a run`,
      remedy: expect.stringContaining(remedy),
    }),
  );
});

test.each(['progress:0%', 'progress:100%', 'progress:250%'])('%s is before or after the work', (text) => {
  expect(() => parseStrikeAt(text, '--strike-at')).toThrow(/only under way from 1% to 99%/);
});

test('a number without a unit is no duration', () => {
  expect(() => parseStrikeAt('2', '--strike-at')).toThrow(
    expect.objectContaining({
      code: 'invalid-duration',
      message: expect.stringContaining('--strike-at is "2"'),
    }),
  );
});
