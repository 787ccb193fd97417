import { expect, test } from 'vitest';
import { repeated } from './repeat.ts';

test('the bound of a number of runs that all passed', () => {
  // 1 − 0.05^(1/n), as the definition of the bound has it for no failure.
  for (const runs of [1, 20, 200]) {
    expect(repeated(runs, runs).failureRateUpperBound95).toBeCloseTo(1 - 0.05 ** (1 / runs), 10);
  }
});

test('the bound where some did not pass', () => {
  // Values of the one-sided Clopper-Pearson interval from published tables.
  expect(repeated(10, 9).failureRateUpperBound95).toBeCloseTo(0.3942, 4);
  expect(repeated(20, 18).failureRateUpperBound95).toBeCloseTo(0.2826, 4);
  expect(repeated(100, 95).failureRateUpperBound95).toBeCloseTo(0.1023, 4);
});

test('it is 1 where none passed', () => {
  expect(repeated(3, 0)).toEqual({ runs: 3, passed: 0, failureRateUpperBound95: 1 });
});
