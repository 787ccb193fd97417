import { expect, test } from 'vitest';
import { canaryProblems } from './canary-problems.ts';

const FOUND_OUT = {
  verdict: 'failed',
  criteria: [
    { id: 'job-persisted', status: 'passed' },
    { id: 'restart-observed', status: 'passed' },
    { id: 'picked-up-again', status: 'failed' },
    { id: 'reached-terminal', status: 'failed' },
  ],
};

test('a canary that was found out leaves nothing to say', () => {
  expect(canaryProblems(1, JSON.stringify(FOUND_OUT))).toEqual([]);
});

test('one that passed, or failed for another reason, voids the run', () => {
  const passed = {
    verdict: 'passed',
    criteria: FOUND_OUT.criteria.map(({ id }) => ({ id, status: 'passed' })),
  };
  expect(canaryProblems(0, JSON.stringify(passed))).toEqual([
    'exit code 0 instead of 1',
    'verdict passed instead of failed',
    'picked-up-again is passed instead of failed',
    'reached-terminal is passed instead of failed',
  ]);
  expect(canaryProblems(1, JSON.stringify({ ...FOUND_OUT, criteria: [] }))).toHaveLength(4);
});

test('so does a run that said nothing', () => {
  expect(canaryProblems(5, '')).toEqual(['exit code 5, and no report']);
  expect(canaryProblems(null, 'Error: …')).toEqual(['exit code null, and no report']);
});
