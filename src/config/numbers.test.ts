import { expect, test } from 'vitest';
import { parseCount } from './numbers.ts';

const limits = { least: 1, most: 1_000 };

test.each([
  ['1', 1],
  ['1000', 1_000],
  [' 7 ', 7],
  [5, 5],
])('%j is %d', (value, count) => {
  expect(parseCount(value, '--files', limits)).toBe(count);
});

test.each(['0', '1001', '-1', '1.5', '1e2', '0x10', 'five', '', 0, 1_001, 2.5, Number.NaN, Infinity])(
  '%j is refused',
  (value) => {
    expect(() => parseCount(value, '--files', limits)).toThrow(
      expect.objectContaining({
        code: 'invalid-number',
        message: expect.stringMatching(/^--files is .*, which is no whole number from 1 to 1000$/),
      }),
    );
  },
);
