import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../testing/history-builder.ts';
import { lastWriter, statusesOf } from '../testing/judged.ts';
import { areConnectionsUnseen, attributeWrites, incarnationOfName, writersAreKnown } from './attribution.ts';
import type { Event } from './event.ts';
import { createHistory } from './history.ts';

describe('the name that the harness gave', () => {
  test.each([
    ['verify-restart#1', 1],
    ['verify-restart#12', 12],
    ['verify-restart#0', null],
    ['verify-restart#1.5', null],
    ['verify-restart#', null],
    ['verify-restart', null],
    ['my-verify-restart#1', null],
    ['fifteen letters2', null],
    ['', null],
  ])('%s names %s', (name, incarnation) => {
    expect(incarnationOfName(name)).toBe(incarnation);
  });

  test('decides, whatever the times say', () => {
    expect(lastWriter(inFlight())).toBe('1 by application-name');
    expect(lastWriter(restarted().picksUp(2))).toBe('2 by application-name');
    expect(lastWriter(restarted().progress(40, 1))).toBe('1 by application-name');
  });

  test('where workers carry it, a new connection without it is no worker of ours', () => {
    expect(lastWriter(restarted().picksUp('somebody'))).toBe('nobody');
  });

  test('… nor is one that was there before the strike: a person at a prompt, who writes later', () => {
    const run = restarted().picksUp(2).cancelled('psql');
    const before = (event: Event): Event =>
      event.kind === 'row:version' && event.writer?.applicationName === 'psql'
        ? { ...event, writer: { ...event.writer, backendStartMs: Date.parse('2026-01-31T12:00:00Z') } }
        : event;
    const history = createHistory(run.end().events.map(before));
    const cancelled = history.of('row:version').findLast(({ source }) => source !== 'read');
    expect(cancelled === undefined ? undefined : attributeWrites(history)(cancelled)).toBeNull();
    expect(statusesOf(history)).toMatchObject({ 'single-writer': 'skipped', 'same-outcome': 'inconclusive' });
  });

  test('a worker may have further connections without it', () => {
    expect(lastWriter(inFlight().progress(40, 'second pool'))).toBe('1 by connection');
  });
});

describe('whether the harness’s workers are known by their names', () => {
  test('they are where all that was written before one of them went carried one; looks carry none', () => {
    expect(writersAreKnown(inFlight().reads().strike().gone().history())).toBe(true);
    expect(writersAreKnown(inFlight().progress(30, 'somebody').strike().gone().history())).toBe(false);
    expect(writersAreKnown(restarted().picksUp('somebody').history())).toBe(true);
  });

  test('they are not where nothing is seen of a writer, or where others start the workers', () => {
    expect(writersAreKnown(restarted({ source: 'poll' }).picksUp(2).history())).toBe(false);
    expect(writersAreKnown(aRun().job().submitted().strike().gone().history())).toBe(false);
    expect(writersAreKnown(restarted({ restartBy: 'command' }).history())).toBe(false);
  });
});

test('connections are seen unless a pooler is in between or the clocks could not be compared', () => {
  const { events } = handedOver().end();
  const seen = (...missing: readonly Event['kind'][]): boolean =>
    !areConnectionsUnseen(createHistory(events.filter(({ kind }) => !missing.includes(kind))));
  expect(seen()).toBe(true);
  expect(seen('observer:started')).toBe(true);
  expect(seen('clock:measured')).toBe(false);
  expect(areConnectionsUnseen(handedOver({ pooled: true }).end())).toBe(true);
});

describe('where the writer is not seen', () => {
  test.each([
    ['polling', { source: 'poll' }],
    ['a pooler', { pooled: true, named: false }],
  ] as const)('%s: absence decides', (_name, options) => {
    expect(lastWriter(inFlight(options))).toBe('1 by absence');
    expect(lastWriter(restarted(options).picksUp(2))).toBe('2 by absence');
  });

  test('with a person’s worker nothing is known before the old one is gone', () => {
    const options = { source: 'poll', restartBy: 'operator' } as const;
    expect(lastWriter(inFlight(options))).toBe('nobody');
    expect(lastWriter(inFlight(options).strike().gone().picksUp(2))).toBe('2 by absence');
  });

  test('a statement that the server still finishes for the dead keeps absence from deciding', () => {
    const run = inFlight({ source: 'poll' }).strike().gone('processes', false).starts(2);
    expect(lastWriter(run.progress(40))).toBe('nobody');
  });

  test('a pooler passes names on', () => {
    expect(lastWriter(restarted({ pooled: true }).picksUp(2))).toBe('2 by application-name');
  });
});

describe('a new worker that is started before the old one is gone', () => {
  test('keeps a new connection from being the old one’s', () => {
    const run = inFlight({ named: false, polite: true }).strike().starts(2).picksUp(2);
    expect(lastWriter(run)).toBe('nobody');
  });

  test('keeps absence from deciding', () => {
    expect(lastWriter(inFlight({ source: 'poll', polite: true }).strike().starts(2).picksUp(2))).toBe(
      'nobody',
    );
  });
});

test('a look at the row is nobody’s write', () => {
  const history = handedOver().reads().history();
  expect(attributeWrites(history)(history.of('row:version').at(-1)!)).toBeNull();
});

test('a write of the dead that the hold kept back is the dead’s', () => {
  const run = aRun({ restartBy: 'operator', pooled: true, named: false })
    .job()
    .submitted()
    .picksUp(1)
    .progress(20);
  run.strike().event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 }).gone();
  run.progress(40);
  run.event({
    kind: 'hold:released',
    job: 'job-1',
    heldMs: 10,
    terminatedBackends: [],
    leftBackends: [run.history().of('row:version').at(-1)!.writer!.backendPid],
  });
  expect(lastWriter(run)).toBe('1 by connection');
  expect(lastWriter(run.starts(2).picksUp(2))).toBe('2 by absence');
});

test('what the hold kept back is the first worker’s where none was seen to go, else that of the last that went', () => {
  const kept = (run: RunBuilder): string => {
    const { events } = run.progress(40, 'whoever').history();
    const history = createHistory([
      ...events.slice(0, -1),
      { ...events.at(-1)!, artefactOfHold: true } as Event,
    ]);
    const attribution = attributeWrites(history)(history.of('row:version').at(-1)!);
    return `${attribution?.incarnation} by ${attribution?.by}`;
  };
  expect(kept(inFlight().strike())).toBe('1 by connection');
  const second = restarted().event({
    kind: 'worker:gone',
    incarnation: 2,
    proof: 'processes',
    connectionsGone: true,
  });
  expect(kept(second)).toBe('2 by connection');
});
