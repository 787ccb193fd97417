import { assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, parseDuration, parseTimeout } from './durations.ts';

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['1.5s', 1_500],
  ['1.1s', 1_100],
  ['2m', 120_000],
  ['1h', 3_600_000],
  ['0s', 0],
  [' 5s ', 5_000],
])('%j is %d ms', (text, ms) => {
  expect(parseDuration(text, '--settle')).toBe(ms);
});

test.each(['', '5', '5 s', '-5s', '5S', '5sec', 's', '.5s', '5.s', '1e3ms', '2m30s', 'auto', 'Infinity'])(
  '%j is refused, naming the option',
  (text) => {
    expect(() => parseDuration(text, '--settle')).toThrow(
      expect.objectContaining({
        code: 'invalid-duration',
        message: `--settle is ${JSON.stringify(text)}, which is no duration`,
      }),
    );
  },
);

test('a wait that no timer of Node can hold is refused instead of becoming none', () => {
  expect(parseDuration('596h', '--settle')).toBe(596 * 3_600_000);
  expect(() => parseDuration('597h', '--settle')).toThrow(
    expect.objectContaining({ code: 'invalid-duration', remedy: 'give at most 596h' }),
  );
});

test('a time-out of nothing is refused', () => {
  expect(parseTimeout('1ms', '--processing-timeout')).toBe(1);
  expect(() => parseTimeout('0s', '--processing-timeout')).toThrow(/--processing-timeout is "0s"/);
});

test('what is formatted is read as the same time', () => {
  expect([0, 1, 1_500, 5_000, 90_000, 120_000, 3_600_000].map(formatDuration)).toEqual([
    '0ms',
    '1ms',
    '1500ms',
    '5s',
    '90s',
    '2m',
    '1h',
  ]);
  assert(
    property(integer({ min: 0, max: 2 ** 31 - 1 }), (ms) => {
      expect(parseDuration(formatDuration(ms), 'x')).toBe(ms);
    }),
  );
});
