/** Where the children alone are struck, those that the parent starts in their place have inherited its name. */
import { describe, expect, test } from 'vitest';
import { inFlight, type RunBuilder } from '../testing/history-builder.ts';
import { attributeWrites } from './attribution.ts';
import { databaseClock } from './database-clock.ts';
import type { Reach } from './event.ts';
import { createHistory, type History } from './history.ts';

function struck(run: RunBuilder, incarnation: number, reach: Reach): RunBuilder {
  run.event({
    kind: 'fault:injected',
    fault: `SIGKILL (${reach})`,
    incarnation,
    signal: 'SIGKILL',
    reach,
    pids: [4000 + incarnation],
  });
  run.event({ kind: 'worker:gone', incarnation, proof: 'processes', connectionsGone: true });
  return run.starts(incarnation + 1).ready(incarnation + 1);
}

/** Under the name of worker 1, over a connection that began at this time of the run; `null`: its begin is hidden. */
function writesAsTheFirst(run: RunBuilder, beganAtMs: number | null): History {
  const history = run.wait(50).progress(40, 1).history();
  const zeroMs = -(databaseClock(history)?.toRunMs(0) ?? 0);
  const written = history.events.at(-1)!;
  if (written.kind !== 'row:version') throw new Error('nothing was written');
  const writer = {
    ...written.writer!,
    backendPid: 7999,
    backendStartMs: beganAtMs === null ? null : zeroMs + beganAtMs,
  };
  return createHistory([...history.events.slice(0, -1), { ...written, writer }]);
}

function lastWriter(history: History): number | undefined {
  return attributeWrites(history)(history.of('row:version').at(-1)!)?.incarnation;
}

function goneAtMs(run: RunBuilder, incarnation = 1): number {
  const gone = run
    .history()
    .of('worker:gone')
    .find((event) => event.incarnation === incarnation);
  return gone!.atMs;
}

describe('a write under the name that outlived the children', () => {
  test.each([
    ['long before, by the parent', -100, 1],
    ['at the last moment that is surely before', -2, 1],
    ['when they may have been gone', -1, 2],
    ['afterwards', 40, 2],
  ])('over a connection that began %s', (_name, afterMs, incarnation) => {
    const run = struck(inFlight(), 1, 'child');
    expect(lastWriter(writesAsTheFirst(run, goneAtMs(run) + afterMs))).toBe(incarnation);
  });

  test('is the new children’s where the begin is hidden, or the clocks were not compared', () => {
    const hidden = writesAsTheFirst(struck(inFlight(), 1, 'child'), null);
    expect(lastWriter(hidden)).toBe(2);
    const run = struck(inFlight(), 1, 'child');
    const old = writesAsTheFirst(run, goneAtMs(run) - 100);
    const uncompared = createHistory(old.events.filter(({ kind }) => kind !== 'clock:measured'));
    expect(lastWriter(uncompared)).toBe(2);
  });

  test('stays theirs over a connection that they had used before they went', () => {
    const run = struck(inFlight(), 1, 'child').wait(50).progress(40, 1);
    const history = run.history();
    const hidden = createHistory(
      history.events.map((event) =>
        event.kind === 'row:version' && event.writer !== undefined
          ? { ...event, writer: { ...event.writer, backendStartMs: null } }
          : event,
      ),
    );
    expect(lastWriter(hidden)).toBe(1);
  });

  test('is that of the children of the children’s successors, where those were struck too', () => {
    const run = struck(struck(inFlight(), 1, 'child'), 2, 'child');
    expect(lastWriter(writesAsTheFirst(run, goneAtMs(run, 2) + 40))).toBe(3);
  });

  test('is the dead’s where the whole tree was struck, also if children of a later one were', () => {
    expect(lastWriter(writesAsTheFirst(struck(inFlight(), 1, 'tree'), null))).toBe(1);
    const both = struck(struck(inFlight(), 1, 'tree'), 2, 'child');
    expect(lastWriter(writesAsTheFirst(both, null))).toBe(1);
  });
});
