import { describe, expect, test } from 'vitest';
import { createHistory } from '../history.ts';
import { handedOver, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'queue-drained');
}

const ended = (): RunBuilder => restarted().picksUp(2).row({ status: 'completed', completedAt: 'x' }, 2);

describe('passed', () => {
  test.each(['ended', 'gone'] as const)('the broker counts it as %s', (state) => {
    expect(seen(ended().broker({ state, owner: null, messages: 0 }))).toBe('passed broker-says');
  });

  test('dead, where the row failed too', () => {
    const run = restarted().picksUp(2).failed().broker({ state: 'dead' });
    expect(seen(run)).toBe('passed broker-says');
  });
});

describe('failed', () => {
  test('done, and never acknowledged', () => {
    const history = ended()
      .broker({ due: { kind: 'at', atMs: 30_000 } })
      .end();
    expect(judgedAs(history, 'queue-drained')).toBe('failed still-in-queue');
    expect(findingOf(history, 'still-in-queue')).toMatchObject({
      broker: 'the broker counts it as held by token-of-2',
    });
  });

  test('a second message is left', () => {
    expect(seen(ended().broker({ state: 'ended', messages: 1 }))).toBe('failed messages-left');
  });

  test('the broker gave up what is completed', () => {
    expect(seen(ended().broker({ state: 'dead', messages: 0 }))).toBe('failed row-and-queue-disagree');
  });
});

describe('nothing to judge', () => {
  test('skipped: it did not end', () => {
    expect(seen(restarted().timesOut())).toBe('skipped no-end-to-compare');
  });

  test('skipped: no broker was given', () => {
    expect(seen(handedOver({ broker: false }))).toBe('skipped broker-hidden');
  });

  test('inconclusive: the broker does not tell', () => {
    expect(seen(ended().broker({ state: 'unknown' }))).toBe('inconclusive broker-not-asked');
    const { events } = ended().end();
    const unasked = events.filter(({ kind }) => kind !== 'broker:snapshot');
    expect(judgedAs(createHistory(unasked), 'queue-drained')).toBe('inconclusive broker-not-asked');
  });

  test('inconclusive: the acknowledgement may still have come', () => {
    expect(judgedAs(ended().looks().history(), 'queue-drained')).toBe('inconclusive not-settled');
  });
});
