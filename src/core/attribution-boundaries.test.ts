/** Connections that began close to a start, a strike or an end, by clocks that were compared to within 2 ms. */
import { describe, expect, test } from 'vitest';
import { restarted, type RunBuilder, type RunOptions } from '../testing/history-builder.ts';
import { attributeWrites, type Attribution } from './attribution.ts';
import { databaseClock } from './database-clock.ts';
import { createHistory, type History } from './history.ts';

const UNNAMED: RunOptions = { named: false };

/** Somebody writes twice over a connection that began so long after a moment of the run: who is that? */
function writerOf(run: RunBuilder, kind: Moment, afterMs: number): string {
  const history = run.wait(50).progress(40, 'somebody').progress(60, 'somebody').history();
  const moment = history.of(kind)[0]!;
  return said(history, began(history, moment.atMs + afterMs));
}

type Moment = 'worker:started' | 'fault:injected' | 'worker:gone';

/** The same, with the connection of the last writer begun at a time of the run. */
function began(history: History, atMs: number): History {
  const zeroMs = -(databaseClock(history)?.toRunMs(0) ?? 0);
  return createHistory(
    history.events.map((event) =>
      event.kind === 'row:version' && event.writer?.applicationName === 'somebody'
        ? { ...event, writer: { ...event.writer, backendStartMs: zeroMs + atMs } }
        : event,
    ),
  );
}

function said(original: History, history: History): string {
  const last = history.of('row:version')[original.of('row:version').length - 1]!;
  const attribution: Attribution | null = attributeWrites(history)(last);
  return attribution === null ? 'nobody' : `${attribution.incarnation} by ${attribution.by}`;
}

describe('the begin of a connection', () => {
  test.each([
    [-3, 'nobody'],
    [-2, '1 by connection'],
    [1, '1 by connection'],
  ])('%i ms after the first worker was started: %s', (afterMs, who) => {
    expect(writerOf(restarted(UNNAMED), 'worker:started', afterMs)).toBe(who);
  });

  test.each([
    [-3, '1 by connection'],
    [-2, '2 by absence'],
  ])('%i ms after the strike: %s', (afterMs, who) => {
    expect(writerOf(restarted(UNNAMED), 'fault:injected', afterMs)).toBe(who);
  });

  test.each([
    [2, '2 by absence'],
    [3, '2 by connection'],
  ])('%i ms after the old worker was gone: %s', (afterMs, who) => {
    expect(writerOf(restarted(UNNAMED), 'worker:gone', afterMs)).toBe(who);
  });

  test('after the worker that a command stopped: the strike was not of the new one', () => {
    const run = restarted({ ...UNNAMED, restartBy: 'command' });
    expect(writerOf(run, 'worker:gone', 20)).toBe('2 by connection');
  });
});
