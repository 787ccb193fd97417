import { describe, expect, test } from 'vitest';
import { handedOver, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'terminal-is-final');
}

describe('passed', () => {
  test('nothing came after the end', () => {
    expect(seen(handedOver())).toBe('passed stayed-final');
  });

  test('the transaction that ended it wrote twice', () => {
    const run = restarted()
      .picksUp(2)
      .row({ status: 'completed' }, 2, 'one')
      .row({ progress: 100 }, 2, 'one');
    expect(seen(run)).toBe('passed stayed-final');
  });

  test('the claim was given up after the end', () => {
    const run = restarted().picksUp(2, { owner: 'w2', leaseUntil: 'soon' }).completed();
    expect(seen(run.row({ owner: null, leaseUntil: null, heartbeatAt: 'late' }, 2))).toBe(
      'passed stayed-final other-columns-changed',
    );
  });

  test('a column that is not known changed', () => {
    const history = handedOver().row({}, 'notifier').end();
    expect(judgedAs(history, 'terminal-is-final')).toBe('passed stayed-final other-columns-changed');
  });
});

describe('failed', () => {
  test('failed when a new worker started, then completed: it looks perfect', () => {
    const run = restarted().row({ status: 'failed', error: 'interrupted' }, 2).picksUp(2).completed();
    const history = run.end();
    expect(judgedAs(history, 'terminal-is-final')).toBe('failed left-final-state');
    expect(findingOf(history, 'left-final-state')).toMatchObject({
      state: 'failed',
      now: 'processing',
      incarnation: 2,
    });
  });

  test('run again after it was completed', () => {
    expect(seen(handedOver().picksUp(2).completed())).toBe('failed left-final-state');
  });

  test('straight from one end to another', () => {
    expect(seen(handedOver().failed('too late', 1))).toBe('failed left-final-state');
  });

  test('late progress, and by whom', () => {
    const history = handedOver().progress(60, 1).end();
    expect(judgedAs(history, 'terminal-is-final')).toBe('failed changed-after-end');
    expect(findingOf(history, 'changed-after-end')).toMatchObject({ columns: 'progress', incarnation: 1 });
  });
});

test('skipped where it never ended', () => {
  expect(seen(restarted().timesOut())).toBe('skipped no-end-to-compare');
});
