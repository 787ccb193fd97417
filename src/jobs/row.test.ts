import { describe, expect, test } from 'vitest';
import { DEFAULT_STATUSES } from '../config/defaults.ts';
import { toRowValues } from './row.ts';

const read = (json: Readonly<Record<string, unknown>>) =>
  toRowValues({ status: 'processing', digest: 'd', ...json }, DEFAULT_STATUSES);

describe('a count in a column', () => {
  test.each([
    [40, 40],
    ['40', 40],
    ['0.4', 0.4],
    ['40%', 40],
    ['40 % ', 40],
    ['2/5', 40],
    [' 2 / 5', 40],
    [null, null],
    ['', null],
  ])('%j is %j', (value, progress) => {
    expect(read({ progress: value })).toMatchObject({ progress });
  });

  test.each(['two of five', 'half', { done: 2 }, '2/0'])(
    '%j is none, which is not the same as empty',
    (value) => {
      expect(read({ progress: value })).not.toHaveProperty('progress');
    },
  );
});

test('blanks that fill up a char(n) are no part of a status', () => {
  expect(read({ status: 'completed   ' })).toMatchObject({ status: 'completed', state: 'completed' });
});
