import { describe, expect, test } from 'vitest';
import { handedOver, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';

const FILES = [1, 2, 3, 4, 5].map((number) => `/tmp/subject/file-${number}.pdf`);
const ONCE = FILES.map((item) => ({ item, count: 1 }));

function counted(run: RunBuilder, effects: readonly { item: string; count: number }[]): RunBuilder {
  return run.event({ kind: 'effects:counted', job: 'job-1', role: 'subject', source: 'query', effects });
}

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'effects-exactly-once');
}

describe('passed', () => {
  test('every file once', () => {
    expect(seen(counted(handedOver(), ONCE))).toBe('passed effects-once');
  });

  test('a job that did not complete may have fewer', () => {
    expect(seen(counted(restarted().picksUp(2).failed(), ONCE.slice(2)))).toBe('passed effects-once');
  });

  test('what else the query names is not ours', () => {
    expect(seen(counted(handedOver(), [...ONCE, { item: 'summary', count: 1 }]))).toBe('passed effects-once');
  });

  test('the last count is the one that counts', () => {
    expect(seen(counted(counted(restarted(), []).picksUp(2).completed(), ONCE))).toBe('passed effects-once');
  });
});

describe('failed', () => {
  test('one missing and another twice: the total is right, and nothing is', () => {
    const effects = [...ONCE.slice(1), { item: FILES[1]!, count: 2 }].filter(
      ({ item, count }) => item !== FILES[1] || count === 2,
    );
    const history = counted(handedOver(), effects).end();
    expect(judgedAs(history, 'effects-exactly-once')).toBe('failed effect-repeated effect-missing');
    expect(findingOf(history, 'effect-missing')).toMatchObject({ item: FILES[0] });
    expect(findingOf(history, 'effect-repeated')).toMatchObject({ item: FILES[1], count: 2 });
  });

  test('nothing at all was left by a job that says it is completed', () => {
    expect(seen(counted(handedOver(), []))).toMatch(/^failed effect-missing/);
  });
});

describe('an effect that comes after the end', () => {
  const twice = (first: typeof ONCE, run: RunBuilder = handedOver()): string =>
    seen(counted(counted(run, first), ONCE));

  test('is there, and that it came late is said', () => {
    const history = counted(counted(handedOver(), ONCE.slice(0, 4)), ONCE).end();
    expect(judgedAs(history, 'effects-exactly-once')).toBe('passed effects-once effects-late');
    expect(findingOf(history, 'effects-late')).toMatchObject({ items: 1 });
    expect(twice([...ONCE.slice(1), { item: FILES[0]!, count: 0 }])).toContain('effects-late');
  });

  test('is missing as long as it has not come, and one that went again is', () => {
    expect(seen(counted(counted(handedOver(), ONCE.slice(2)), ONCE.slice(1)))).toBe('failed effect-missing');
    expect(seen(counted(counted(handedOver(), ONCE), ONCE.slice(1)))).toBe('failed effect-missing');
  });

  test('of a job that failed, or was taken up again, says nothing', () => {
    expect(twice([], restarted().picksUp(2).failed())).toBe('passed effects-once');
    const again = counted(handedOver(), ONCE.slice(1)).picksUp(2).completed();
    expect(seen(counted(again, ONCE))).toBe('passed effects-once');
    const progressed = counted(handedOver(), ONCE.slice(1)).progress(100);
    expect(seen(counted(progressed, ONCE))).toBe('passed effects-once effects-late');
    const deleted = counted(counted(handedOver(), ONCE.slice(1)), ONCE).deletes(2);
    expect(() => seen(deleted)).not.toThrow();
  });

  test('counts from the end on, and of the job itself', () => {
    expect(seen(counted(restarted(), ONCE).picksUp(2).completed())).toBe('passed effects-once');
    expect(seen(counted(counted(restarted(), []).picksUp(2).completed(), ONCE))).toBe('passed effects-once');
    const other = handedOver().event({
      kind: 'effects:counted',
      job: 'job-ended',
      role: 'witness-ended',
      source: 'query',
      effects: [],
    });
    expect(seen(counted(other, ONCE))).toBe('passed effects-once');
  });
});

test('inconclusive: the query calls the files by other names', () => {
  const names = FILES.map((file) => ({ item: file.slice(file.lastIndexOf('/') + 1), count: 1 }));
  expect(seen(counted(handedOver(), names))).toBe('inconclusive effects-not-comparable');
});

test('skipped: a job that has not ended may yet leave the rest, though nothing twice', () => {
  const open = (): RunBuilder => restarted().picksUp(2).timesOut();
  const history = counted(open(), ONCE.slice(2)).end();
  expect(judgedAs(history, 'effects-exactly-once')).toBe('skipped effects-so-far');
  expect(findingOf(history, 'effects-so-far')).toMatchObject({ items: 3 });
  expect(seen(counted(open(), [{ item: FILES[0]!, count: 2 }]))).toBe('failed effect-repeated');
});

test('skipped: nothing counts them', () => {
  expect(seen(handedOver())).toBe('skipped effects-not-counted');
});
