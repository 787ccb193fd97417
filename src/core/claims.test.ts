import { describe, expect, it } from 'vitest';
import { restarted } from '../testing/history-builder.ts';
import { claimsWithin, firstClaimAfter } from './claims.ts';
import type { Event, RowValues } from './event.ts';
import { createHistory } from './history.ts';
import { restartFacts } from './restart.ts';

const NOON = Date.parse('2026-03-01T12:00:00Z');

/** Versions of the subject's row, one a second from noon on, each with the incarnation that wrote it. */
function factsOf(versions: readonly (readonly [number, Partial<RowValues>])[]) {
  const events: Event[] = [
    { seq: 0, atMs: 0, kind: 'job:created', job: 'j', role: 'subject', status: 'pending', files: [] },
    ...versions.map(([incarnation, values], index): Event => ({
      seq: index + 1,
      atMs: index * 1_000,
      kind: 'row:version',
      job: 'j',
      role: 'subject',
      source: 'trigger',
      operation: 'update',
      databaseAtMs: NOON + index * 1_000,
      values: { status: 'processing', state: 'processing', digest: String(index), ...values },
      writer: {
        transactionId: String(index),
        backendPid: incarnation,
        backendStartMs: NOON,
        applicationName: `verify-restart#${incarnation}`,
        clientAddress: null,
        clientPort: null,
      },
    })),
  ];
  return restartFacts(createHistory(events));
}

it('sees a claim that an incarnation takes from itself, by the count where the name is the same', () => {
  const facts = factsOf([
    [1, { owner: 'host:1', attempts: 1, leaseUntil: '2026-03-01T12:00:00.500+00:00' }],
    [1, { owner: 'host:1', attempts: 2 }],
  ]);
  expect(claimsWithin(facts)).toEqual([
    { incarnation: 1, before: 'host:1', after: 'host:1', beforeLeaseMs: 500 },
  ]);
});

it('sees it by the name where nothing is counted', () => {
  const facts = factsOf([
    [1, { taskId: 'a' }],
    [1, { taskId: 'b' }],
  ]);
  expect(claimsWithin(facts)).toEqual([{ incarnation: 1, before: 'a', after: 'b', beforeLeaseMs: null }]);
});

it('asks who took the claim, not who wrote last: a successor may write before it claims', () => {
  const facts = factsOf([
    [1, { taskId: 'a' }],
    [2, { taskId: 'a' }],
    [2, { taskId: 'b' }],
  ]);
  expect(claimsWithin(facts)).toEqual([]);
});

it('takes neither a successor nor a job that was given up for one', () => {
  const taken = factsOf([
    [1, { owner: 'a', attempts: 1, leaseUntil: '2026-03-01T12:00:30+00:00' }],
    [2, { owner: 'b', attempts: 2 }],
  ]);
  expect(claimsWithin(taken)).toEqual([]);
  expect(firstClaimAfter(taken, 1)).toEqual({
    incarnation: 2,
    before: 'a',
    after: 'b',
    beforeLeaseMs: -29_000,
  });
  const givenUp = factsOf([
    [1, { owner: 'a', attempts: 1 }],
    [1, { owner: null, attempts: 1, retryCount: 1, status: 'retrying' }],
    [1, { owner: 'b', attempts: 2, retryCount: 1 }],
  ]);
  expect(claimsWithin(givenUp)).toEqual([]);
});

it('names the first claim after an event, not one before it', () => {
  const facts = factsOf([
    [1, { taskId: 'a' }],
    [2, { taskId: 'b' }],
    [3, { taskId: 'c' }],
  ]);
  expect(firstClaimAfter(facts, 1)).toMatchObject({ before: 'a', after: 'b' });
  expect(firstClaimAfter(facts, 2)).toMatchObject({ before: 'b', after: 'c' });
  expect(firstClaimAfter(facts, 3)).toBeNull();
});

it('names nobody whose write cannot be attributed', () => {
  const taken = restarted().row({ taskId: 'another' }, 'somebody');
  expect(firstClaimAfter(restartFacts(taken.history()), 0)).toBeNull();
});

it('takes no claim within a rerun of a job that had ended for one', () => {
  const facts = factsOf([
    [1, { taskId: 'a' }],
    [1, { taskId: 'a', status: 'completed', state: 'completed' }],
    [2, { taskId: 'b' }],
    [2, { taskId: 'c' }],
  ]);
  expect(firstClaimAfter(facts, 0)).toBeNull();
});

it.each<[string, Partial<RowValues>, Partial<RowValues>, Partial<RowValues>]>([
  ['was named by whoever sent it', { state: 'pending', taskId: 'a' }, { taskId: 'a' }, { taskId: 'b' }],
  ['was another’s before', { owner: 'x' }, { owner: 'a' }, { owner: 'b' }],
  [
    'was another’s of that name before',
    { owner: 'host', attempts: 1 },
    { owner: 'host', attempts: 2 },
    { owner: 'host', attempts: 3 },
  ],
])(
  'sees whose the claim is that an incarnation takes from itself, though it %s',
  (_name, first, own, again) => {
    const facts = factsOf([
      [2, first],
      [1, own],
      [1, again],
    ]);
    expect(claimsWithin(facts)).toMatchObject([{ incarnation: 1 }]);
  },
);

it('asks who took the claim also where it is counted', () => {
  const facts = factsOf([
    [1, { owner: 'host', attempts: 1 }],
    [2, { owner: 'host', attempts: 1, error: 'seen' }],
    [2, { owner: 'host', attempts: 2 }],
  ]);
  expect(claimsWithin(facts)).toEqual([]);
});

describe('a row without a claim', () => {
  const within = (first: Partial<RowValues>, second: Partial<RowValues>) =>
    claimsWithin(
      factsOf([
        [1, first],
        [1, second],
      ]),
    );

  it('is free', () => {
    expect(within({ taskId: null }, { taskId: 'b' })).toEqual([]);
    expect(within({ taskId: null, attempts: 1 }, { taskId: 'b', attempts: 2 })).toEqual([]);
    expect(within({ taskId: 'a' }, { taskId: null })).toEqual([]);
  });

  it('is not one whose owner is named, though its task id is empty', () => {
    expect(within({ owner: 'a', taskId: null }, { owner: 'b', taskId: null })).toHaveLength(1);
  });
});

it('takes no renewal and no progress for a claim', () => {
  const facts = factsOf([
    [1, { owner: 'a', attempts: 1, leaseUntil: '2026-03-01T12:00:01+00:00' }],
    [1, { owner: 'a', attempts: 1, leaseUntil: '2026-03-01T12:00:02+00:00', progress: 40 }],
  ]);
  expect(claimsWithin(facts)).toEqual([]);
});
