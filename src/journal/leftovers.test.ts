import { expect, test } from 'vitest';
import type { Event, EventBody, Thing } from '../core/event.ts';
import { KEPT_ON_PURPOSE, leftovers } from './leftovers.ts';

const row: Thing = { kind: 'row', table: '"jobs"', idColumn: 'id', id: '7' };
const folder: Thing = { kind: 'folder', path: '/tmp/run' };

function journal(...bodies: readonly EventBody[]): readonly Event[] {
  return bodies.map((body, seq) => ({ ...body, seq, atMs: seq }));
}

test('what was made and not removed is left, the last made first', () => {
  const events = journal({ kind: 'made', thing: row }, { kind: 'made', thing: folder });
  expect(leftovers(events)).toEqual([folder, row]);
});

test('what was removed is not left', () => {
  const events = journal({ kind: 'made', thing: row }, { kind: 'removed', thing: row });
  expect(leftovers(events)).toEqual([]);
});

test('what could not be removed is left, for cleanup to try again', () => {
  const events = journal({ kind: 'made', thing: row }, { kind: 'kept', thing: row, reason: 'no connection' });
  expect(leftovers(events)).toEqual([row]);
});

test('what was kept on purpose is not left', () => {
  const events = journal({ kind: 'made', thing: row }, { kind: 'kept', thing: row, reason: KEPT_ON_PURPOSE });
  expect(leftovers(events)).toEqual([]);
});
