/** `witnesses-unharmed` for one of them: by itself, by its effects, and how long it is waited for. */
import { describe, expect, test } from 'vitest';
import { createHistory } from '../history.ts';
import { type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';
import { recovered, struck, waits } from '../../testing/witnessed-runs.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'witnesses-unharmed');
}

describe('one witness alone', () => {
  const without = (run: RunBuilder, role: string): string => {
    const { events } = run.end();
    const job = role === 'witness-ended' ? 'job-ended' : 'job-waiting';
    return judgedAs(
      createHistory(events.filter((event) => !('job' in event) || event.job !== job)),
      'witnesses-unharmed',
    );
  };

  test('is judged by itself', () => {
    expect(without(waits(recovered()), 'witness-ended')).toBe('passed witnesses-well');
    expect(without(recovered(), 'witness-waiting')).toBe('passed witnesses-well');
    expect(without(recovered(), 'witness-ended')).toMatch(/waiting-witness-stuck/);
  });

  test('that was made and never seen is stuck as far as one knows', () => {
    const { events } = recovered().end();
    const unseen = createHistory(
      events.filter((event) => event.kind !== 'row:version' || event.role !== 'witness-waiting'),
    );
    expect(findingOf(unseen, 'waiting-witness-stuck')).toMatchObject({ status: 'unknown' });
  });
});

describe('what is counted of a witness', () => {
  const counted = (run: RunBuilder, role: 'witness-ended' | 'witness-waiting', count: number): RunBuilder =>
    run.event({
      kind: 'effects:counted',
      job: role === 'witness-ended' ? 'job-ended' : 'job-waiting',
      role,
      source: 'query',
      effects: count === 0 ? [] : [{ item: `/tmp/${role}/file-1.pdf`, count }],
    });

  test('an effect that is there twice', () => {
    expect(seen(counted(waits(recovered()), 'witness-ended', 2))).toBe('failed effect-repeated');
    expect(seen(counted(waits(recovered()), 'witness-waiting', 2))).toBe('failed effect-repeated');
    const history = counted(waits(recovered()), 'witness-ended', 2).end();
    expect(findingOf(history, 'effect-repeated')).toMatchObject({
      item: '/tmp/witness-ended/file-1.pdf',
      count: 2,
    });
  });

  test('one that is missing from a completed one, not from a failed one', () => {
    expect(seen(counted(waits(recovered()), 'witness-waiting', 0))).toBe('failed effect-missing');
    const failed = struck().picksUp(2).failed().of('witness-waiting').picksUp(2).failed();
    expect(seen(counted(failed, 'witness-waiting', 0))).toBe('failed waiting-witness-failed');
  });
});

describe('a waiting one that is stuck', () => {
  test('fails where the subject has ended, whatever the broker still keeps', () => {
    const run = recovered().broker({ state: 'delayed', due: { kind: 'at', atMs: 9_000_000 } });
    expect(seen(run)).toBe('failed waiting-witness-stuck');
  });

  test('was not awaited where another time was over, or where no worker was seen to go', () => {
    const other = struck().event({ kind: 'timeout:reached', timeout: 'processing', afterMs: 1 });
    expect(seen(other.broker({ state: 'gone', owner: null, due: { kind: 'never' } }))).toBe(
      'inconclusive waiting-witness-not-awaited',
    );
    const { events } = recovered().end();
    const ungone = createHistory(events.filter(({ kind }) => kind !== 'worker:gone'));
    expect(judgedAs(ungone, 'witnesses-unharmed')).toBe('inconclusive waiting-witness-not-awaited');
  });
});
