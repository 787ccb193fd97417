import { expect, test } from 'vitest';
import { describeDuration } from './durations.ts';

test.each([
  [0, '0 ms'],
  [4.4, '4 ms'],
  [99, '99 ms'],
  [100, '0.1 s'],
  [900, '0.9 s'],
  [9_949, '9.9 s'],
  [9_999, '10 s'],
  [10_000, '10 s'],
  [61_000, '61 s'],
  [119_400, '119 s'],
  [120_000, '2 min'],
  [242_000, '4 min 2 s'],
])('%d ms is %s', (ms, words) => {
  expect(describeDuration(ms)).toBe(words);
});
