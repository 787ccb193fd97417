import { describe, expect, test } from 'vitest';
import { aRun, type RunBuilder } from '../testing/history-builder.ts';
import { judgedAs } from '../testing/judged.ts';
import { createHistory } from './history.ts';
import { NOTHING_SEEN, progressUnit, withProgress } from './progress-scale.ts';
import { judge } from './report.ts';

describe('a value of the table is multiplied with', () => {
  const unit = (
    ofOneFile: number | null,
    values: readonly number[],
    atEnd: number | undefined,
    items: number,
  ): number =>
    progressUnit(
      [...values, ...(atEnd === undefined ? [] : [atEnd])].reduce(
        (seen, value, index) => withProgress(seen, value, index === values.length),
        { ...NOTHING_SEEN, ofOneFile, items },
      ),
    );

  test.each([
    { why: 'the neighbour ended at 100', of: 100, values: [1, 2, 3], unit: 1 },
    { why: 'percent, with no neighbour', of: null, values: [20, 40], unit: 1 },
    { why: 'a share of one', of: 1, values: [0.2, 0.4], unit: 100 },
    { why: 'a share of one, with no neighbour', of: null, values: [0.2], unit: 100 },
    { why: 'a share of one that is written at the end alone', of: 1, values: [0], end: 1, unit: 100 },
    { why: 'a share of one that is whole before the end', of: null, values: [0.5, 1], unit: 100 },
    { why: 'items', of: 1, values: [1, 2], unit: 20 },
    { why: 'items, also where some were done twice', of: 1, values: [1, 2, 6], unit: 20 },
    { why: 'items, also where the end is written as 100', of: 1, values: [1, 2], end: 100, unit: 20 },
    { why: 'items by the end, with no neighbour', of: null, values: [1, 2], end: 5, unit: 20 },
    { why: 'nothing that tells', of: null, values: [1, 2], unit: 1 },
    { why: 'nothing that tells yet', of: null, values: [1], unit: 1 },
    { why: 'a neighbour that tells nothing', of: 0, values: [20], end: 100, unit: 1 },
    { why: 'percent with a fraction', of: null, values: [12.5], unit: 1 },
    { why: 'percent of a neighbour, and less than one of the job', of: 100, values: [0.5], unit: 1 },
    { why: 'one of one file, or the whole of it', of: null, values: [], end: 1, items: 1, unit: 100 },
    { why: 'more items than a hundred', of: null, values: [100], end: 250, items: 250, unit: 0.4 },
    { why: 'items of which nobody knows how many there are', of: 1, values: [1, 2], items: 0, unit: 1 },
  ])('$unit: $why', ({ of, values, end, items = 5, unit: expected }) => {
    expect(unit(of, values, end, items)).toBe(expected);
  });
});

/** The run as a table would show it that counts progress otherwise. */
function counted(run: RunBuilder, convert: (percent: number, items: number) => number) {
  return createHistory(
    run.end().events.map((event) =>
      event.kind === 'row:version' && event.values?.progress != null
        ? {
            ...event,
            values: {
              ...event.values,
              progress: convert(event.values.progress, event.role === 'subject' ? 5 : 1),
            },
          }
        : event,
    ),
  );
}

const SCALES = [
  { scale: 'a share of one', convert: (percent: number) => percent / 100 },
  { scale: 'items', convert: (percent: number, items: number) => (percent / 100) * items },
  { scale: 'percent', convert: (percent: number) => percent },
];

describe.each(SCALES)('$scale', ({ convert }) => {
  const struck = (): RunBuilder =>
    aRun()
      .job('witness-ended')
      .submitted()
      .picksUp(1)
      .wait(300)
      .completed()
      .job()
      .submitted()
      .picksUp(1)
      .wait(300)
      .progress(20)
      .strike()
      .gone()
      .starts(2)
      .ready(2);

  test('several files in no time are no work', () => {
    const history = counted(struck().delivered(2).completed(2), convert);
    expect(judgedAs(history, 'picked-up-again')).toBe('inconclusive ended-too-soon');
  });

  test('what is told is a share of a hundred', () => {
    const done = struck().picksUp(2).wait(300).progress(40).wait(900).completed();
    expect(judge(counted(done, convert))).toMatchObject({ verdict: 'passed', job: { progress: 100 } });
    const half = judge(counted(struck().picksUp(2).progress(60).timesOut(), convert));
    expect(half.job.progress).toBe(60);
  });
});
