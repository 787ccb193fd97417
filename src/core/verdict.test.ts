import { describe, expect, test } from 'vitest';
import type { CriterionLevel } from './event.ts';
import { handedOver } from '../testing/history-builder.ts';
import { judgeSafely } from './criteria/criterion.ts';
import { restartFacts } from './restart.ts';
import { combine, type CriterionStatus } from './verdict.ts';

function verdictOf(...criteria: readonly (readonly [CriterionStatus, CriterionLevel?])[]): string {
  return combine(criteria.map(([status, level = 'required']) => ({ status, level })));
}

describe('how criteria combine', () => {
  test('failed beats inconclusive beats passed', () => {
    expect(verdictOf(['passed'], ['inconclusive'], ['failed'])).toBe('failed');
    expect(verdictOf(['passed'], ['inconclusive'], ['skipped'])).toBe('inconclusive');
    expect(verdictOf(['passed'], ['skipped'])).toBe('passed');
  });

  test('only required ones decide', () => {
    expect(verdictOf(['passed'], ['failed', 'advisory'], ['inconclusive', 'advisory'])).toBe('passed');
  });

  test('a run in which nothing passed proves nothing', () => {
    expect(verdictOf()).toBe('inconclusive');
    expect(verdictOf(['skipped'])).toBe('inconclusive');
    expect(verdictOf(['passed', 'advisory'])).toBe('inconclusive');
  });
});

test('a criterion that throws is inconclusive, and says so', () => {
  const history = handedOver().end();
  const broken = {
    id: 'broken',
    title: 'broken',
    judge: () => {
      throw new TypeError('no such column');
    },
  };
  expect(judgeSafely(broken, 'required', history, restartFacts(history))).toEqual({
    id: 'broken',
    title: 'broken',
    level: 'required',
    status: 'inconclusive',
    evidence: [{ code: 'criterion-threw', message: 'no such column' }],
  });
});
