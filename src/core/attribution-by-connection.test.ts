/** Workers without a name of ours: their connections, and the processes at the other ends, tell who wrote. */
import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder, type RunOptions } from '../testing/history-builder.ts';
import { lastWriter, statusesOf } from '../testing/judged.ts';
import { attributeWrites, connectionOf } from './attribution.ts';
import type { Event, ProcessInfo, Writer } from './event.ts';
import { createHistory, type History } from './history.ts';

describe('workers that set a name of their own', () => {
  const unnamed = { named: false };

  test('are told apart by when their connections began', () => {
    expect(lastWriter(inFlight(unnamed))).toBe('1 by connection');
    expect(lastWriter(restarted(unnamed).picksUp(2))).toBe('2 by connection');
  });

  test('a connection of before the first of them is no worker’s: a service that ends what is done, say', () => {
    const began = (at: string, options: RunOptions = unnamed): unknown => {
      const { events } = restarted(options).picksUp(2).progress(100).completed('finalizer').end();
      const older = (event: Event): Event =>
        event.kind === 'row:version' && event.writer?.applicationName === 'finalizer'
          ? { ...event, writer: { ...event.writer, backendStartMs: Date.parse(at) } }
          : event;
      const history = createHistory(events.map(older));
      const end = history.of('row:version').findLast(({ source }) => source !== 'read')!;
      return [
        attributeWrites(history)(end)?.by,
        statusesOf(history)['restart-observed'],
        statusesOf(history)['single-writer'],
      ];
    };
    expect(began('2026-01-31T11:00:00Z')).toEqual([undefined, 'passed', 'skipped']);
    // It began beside the worker and outlived all of it: it is in doubt, and no proof that two wrote at once.
    expect(began('2026-01-31T12:00:00.100Z')).toEqual(['connection', 'inconclusive', 'skipped']);
    // A person's worker may have been there for long.
    expect(began('2026-01-31T11:00:00Z', { ...unnamed, restartBy: 'command' })).toContain('connection');
  });

  test('a connection of before the strike stays the old worker’s', () => {
    expect(lastWriter(restarted(unnamed).picksUp(2).progress(40, 1))).toBe('1 by connection');
  });

  test('a connection that the old worker made while it stopped is its own', () => {
    const run = inFlight({ ...unnamed, polite: true }).strike();
    expect(lastWriter(run.completed('new pool connection'))).toBe('1 by connection');
  });

  test('… also if all that it wrote there came before it was gone, and nobody else was there', () => {
    const run = inFlight(unnamed).strike().progress(40, 'late pool').gone();
    const history = run.history();
    const written = history.of('row:version').findLast(({ source }) => source !== 'read')!;
    expect(attributeWrites(history)(written)).toEqual({ incarnation: 1, by: 'connection' });
  });

  test('a statement that the server still finishes keeps a late connection from being a new worker’s', () => {
    const run = inFlight(unnamed).strike().progress(40, 'late pool').gone('processes', false);
    expect(lastWriter(run.progress(60, 'late pool'))).toBe('nobody');
  });

  test('a connection whose begin is hidden began no later than it wrote', () => {
    const hidden = (run: RunBuilder): string => {
      const history = withHiddenBegins(run.history());
      const version = history.of('row:version').findLast(({ source }) => source !== 'read')!;
      const attribution = attributeWrites(history)(version);
      return attribution === null ? 'nobody' : `${attribution.incarnation} by ${attribution.by}`;
    };
    expect(hidden(inFlight(unnamed))).toBe('1 by connection');
    expect(hidden(restarted(unnamed).progress(40, 1))).toBe('1 by connection');
    expect(hidden(restarted(unnamed).picksUp(2))).toBe('2 by absence');
  });

  test('the begin decides only outside of the uncertainty of the clocks', () => {
    const run = inFlight(unnamed).strike().gone('connections', true).event({
      kind: 'note',
      code: 'test',
      text: 'a moment',
    });
    const sure = run.wait(100).starts(2).picksUp(2).history();
    const unsure = {
      ...sure,
      of: createdWithUncertainty(sure, 5_000),
    };
    const version = sure.of('row:version').at(-1)!;
    expect(attributeWrites(sure)(version)).toEqual({ incarnation: 2, by: 'connection' });
    expect(attributeWrites(unsure)(version)).toBeNull();
  });

  test('without a comparison of the clocks, absence has to prove it', () => {
    const without = (run: RunBuilder): ReturnType<RunBuilder['history']> => {
      const history = run.history();
      return { ...history, of: (kind) => (kind === 'clock:measured' ? [] : history.of(kind)) };
    };
    const proved = without(restarted(unnamed).picksUp(2));
    expect(attributeWrites(proved)(proved.of('row:version').at(-1)!)).toEqual({
      incarnation: 2,
      by: 'absence',
    });
    const unproved = without(inFlight(unnamed).strike().gone('connections', true).starts(2).picksUp(2));
    expect(attributeWrites(unproved)(unproved.of('row:version').at(-1)!)).toBeNull();
  });
});

/** The same history with clocks that were compared less exactly. */
function createdWithUncertainty(history: ReturnType<RunBuilder['history']>, uncertaintyMs: number) {
  return ((kind: string) =>
    history
      .of(kind as 'clock:measured')
      .map((event) =>
        event.kind === 'clock:measured' ? { ...event, uncertaintyMs } : event,
      )) as typeof history.of;
}

describe('a worker that somebody else restarts', () => {
  const byOperator = { restartBy: 'operator', named: false } as const;

  test('writes of before the restart are the first life’s', () => {
    expect(lastWriter(inFlight(byOperator))).toBe('1 by connection');
  });

  test('the process at the other end decides where it is known', () => {
    expect(lastWriter(inFlight(byOperator).strike().progress(40))).toBe('1 by process');
  });

  test('a new connection while the old worker may still live is nobody’s', () => {
    const run = inFlight(byOperator).strike();
    expect(lastWriter(run.picksUp(2))).toBe('nobody');
  });

  test('… until it goes on writing after the old one is proved gone', () => {
    const run = inFlight(byOperator).strike().picksUp(2).gone().progress(40, 2);
    const history = run.history();
    const attribute = attributeWrites(history);
    const writers = history
      .of('row:version')
      .filter(({ writer }) => writer?.backendPid === 7002)
      .map((version) => attribute(version));
    expect(writers).toEqual([
      { incarnation: 2, by: 'absence' },
      { incarnation: 2, by: 'absence' },
    ]);
  });

  test('a pid that is used again is told apart by when it was seen', () => {
    const run = inFlight(byOperator).strike().gone();
    run.event({
      kind: 'worker:processes',
      incarnation: 2,
      mainPid: 4001,
      processes: [
        {
          pid: 4001,
          parentPid: 1,
          groupId: 4001,
          sessionId: 4001,
          startToken: 'later',
          command: 'node worker.js',
        },
      ],
    });
    run.picksUp(2);
    const { writer } = run.history().of('row:version').at(-1)!;
    const connection = { id: connectionOf(writer!), name: '', address: null, port: 1, pid: 4001 };
    run.event({ kind: 'presence:snapshot', reason: 'a new worker', database: [connection], broker: [] });
    expect(lastWriter(run)).toBe('2 by process');
    expect(lastWriter(run.progress(40, 1))).toBe('1 by process');
  });

  test('a connection that was there before and belongs to no worker is somebody else’s', () => {
    const run = inFlight(byOperator).row({ progress: 30 }, 'the API');
    const { writer } = run.history().of('row:version').at(-1)!;
    const connection = { id: connectionOf(writer!), name: 'api', address: null, port: 2, pid: 999 };
    run.event({
      kind: 'worker:processes',
      incarnation: 1,
      mainPid: 4001,
      processes: [
        {
          pid: 4001,
          parentPid: 1,
          groupId: 4001,
          sessionId: 4001,
          startToken: 'x',
          command: 'node worker.js',
        },
      ],
    });
    run.event({
      kind: 'presence:snapshot',
      reason: 'before the restart',
      database: [connection],
      broker: [],
    });
    expect(lastWriter(run.strike().gone().row({ progress: 60 }, 'the API'))).toBe('nobody');
  });
});

describe('the process at the other end', () => {
  const byOperator = { restartBy: 'operator', named: false } as const;
  const processOf = (pid: number): ProcessInfo => ({
    pid,
    parentPid: 1,
    groupId: 4001,
    sessionId: 4001,
    startToken: `${pid}`,
    command: 'node worker.js',
  });
  /** The connection of the last write was seen with this process at its other end. */
  const seenWith = (run: RunBuilder, pid: number | null): RunBuilder => {
    const { writer } = run.history().of('row:version').at(-1)!;
    const connection = { id: connectionOf(writer!), name: '', address: null, port: 2, pid };
    return run.event({ kind: 'presence:snapshot', reason: 'a look', database: [connection], broker: [] });
  };
  const tree = (run: RunBuilder): RunBuilder =>
    run.event({
      kind: 'worker:processes',
      incarnation: 1,
      mainPid: 4001,
      processes: [processOf(4001), processOf(4002)],
    });

  test('may be any of the worker’s tree', () => {
    const run = tree(inFlight(byOperator).strike().row({ progress: 30 }, 'a child'));
    expect(lastWriter(seenWith(run, 4002))).toBe('1 by process');
  });

  test('decides nothing where it was not found', () => {
    const run = tree(inFlight(byOperator).row({ progress: 30 }, 'a child'));
    expect(lastWriter(seenWith(run, null))).toBe('1 by connection');
  });

  test('is nobody’s of the run only where the trees were known, and nobody had gone', () => {
    const unknown = inFlight(byOperator).row({ progress: 30 }, 'a child');
    expect(lastWriter(seenWith(unknown, 999))).toBe('1 by connection');
    // Children that a later worker has had since are in no tree that was recorded.
    const later = tree(inFlight({ named: false }).strike())
      .gone()
      .starts(2)
      .row({ progress: 30 }, 'a child');
    expect(lastWriter(seenWith(later, 999))).toBe('2 by connection');
  });
});

function withHiddenBegins(history: History): History {
  const hide = (writer: Writer | undefined) =>
    writer === undefined ? {} : { writer: { ...writer, backendStartMs: null } };
  return createHistory(
    history.events.map((event) =>
      event.kind === 'row:version' ? { ...event, ...hide(event.writer) } : event,
    ),
  );
}
