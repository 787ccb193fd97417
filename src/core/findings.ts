/**
 * What criteria say, as codes with arguments. The sentences are in `reporters/finding-words.ts`, one for each
 * code; a code without a sentence does not compile.
 */
import type { AttributionMeans } from './attribution.ts';
import type { JobState } from './event.ts';

export interface FindingArguments {
  'never-observed': { job: string };
  'row-in-every-observation': { versions: number; source: 'trigger' | 'poll' };
  'followed-late': Record<string, never>;
  'row-gone': { atMs: number; incarnation: number | null };
  'observation-incomplete': { versions: number };
  'observed-by-polling': { unseen: string };
  'unseen-by-polling': { unseen: string };
  'not-looked-at-after-restart': Record<string, never>;
  /** The history ends, or has gaps, before what is missing could have come. */
  'history-breaks-off': Record<string, never>;

  'no-restart': Record<string, never>;
  'fault-disarmed': { fault: string };
  'ended-before-strike': { state: JobState };
  'ended-by-old-worker': { state: JobState; incarnation: number };
  'ended-while-stopping': { state: JobState };
  'not-in-flight': { state: JobState | 'gone'; broker: string };
  'nobody-was-struck': { incarnation: number; how: string };
  'holder-not-struck': { writer: string; incarnation: number };
  'holder-unknown': Record<string, never>;
  'worker-still-there': { incarnation: number; pids: string; connections: string };
  'worker-not-seen-gone': { incarnation: number };
  'connection-lives-on': { incarnation: number };
  'no-new-worker': Record<string, never>;
  'handed-back-politely': { incarnation: number };
  'struck-in-flight': { fault: string; incarnation: number; state: JobState; progress: number | null };
  'restarted-in-flight': { incarnation: number; state: JobState; progress: number | null };
  'in-flight-by-broker': { owner: string };
  'worker-gone': {
    incarnation: number;
    proof: 'processes' | 'connections';
    connectionsGone: boolean;
    afterMs: number;
  };
  'new-worker': { incarnation: number; afterMs: number };
  'new-worker-died': { incarnation: number; how: string; afterMs: number };
  drained: { incarnation: number; state: JobState };
  'work-after-kill': { incarnation: number; writes: number };
  'write-after-gone': { incarnation: number; atMs: number };
  'hold-broken': { reason: string };
  'hold-hurt': { error: string };

  'picked-up-by-write': { incarnation: number; by: AttributionMeans; afterMs: number };
  'picked-up-by-task': { before: string; after: string; afterMs: number };
  'picked-up-by-broker': { deliveries: number; afterMs: number };
  'drained-so-not-exercised': Record<string, never>;
  'handed-out-without-work': { deliveries: number };
  'nobody-picked-up': { afterMs: number; broker: string };
  'unattributed-writes': { writes: number };
  'ended-unworked': { state: JobState; incarnation: number | null };
  'ended-without-work-shown': { state: JobState; incarnation: number | null };
  /** Items were claimed in less time than one of them takes. */
  'ended-sooner-than-control': { bothMs: number; controlMs: number };
  'ended-too-soon': { state: JobState; incarnation: number | null };
  'written-undelivered': { writes: number };
  /** The old worker had gone, and no other had been started yet. */
  'written-by-nobody': { writes: number };
  'only-touched': { incarnation: number };
  'not-due-yet': { due: string };
  'nothing-to-pick-up': Record<string, never>;

  reached: { state: JobState; afterMs: number };
  'reached-before-restart': { state: JobState };
  'reached-and-left': { reached: JobState; now: string };
  /** What the status means is not configured, so neither is it known whether the job has ended. */
  'status-not-mapped': { status: string };
  'not-terminal': { state: JobState | 'gone'; progress: number | null; afterMs: number };
  'broker-says': { text: string };

  'no-timestamp-columns': Record<string, never>;
  'started-at-kept': { startedAt: string; versions: number };
  'created-at-changed': { before: string; after: string; incarnation: number | null };
  'started-at-changed': { before: string; after: string; incarnation: number | null };
  'started-at-lost': { before: string; incarnation: number | null };
  'started-at-missing': Record<string, never>;
  'completed-at-set': { completedAt: string };
  'completed-at-missing': { state: JobState };
  'completed-at-early': { completedAt: string };
  'completed-at-not-due': Record<string, never>;
  'timestamps-out-of-order': { earlier: string; later: string; earlierAt: string; laterAt: string };
  'timestamp-shifted': { column: string; hours: number };
  'clocks-differ': { earlier: string; later: string; offsetMs: number };
  'timestamps-not-comparable': { earlier: string; later: string; zones: boolean };

  'one-row': { children: number };
  'further-rows': { ids: string };
  'further-children': { ids: string };
  'parts-since-restart': { ids: string };
  'child-or-duplicate': { ids: string };
  'one-message': { most: number };
  'further-messages': { messages: number };
  'parts-or-duplicates': { messages: number };
  'messages-not-counted': Record<string, never>;
  'rows-not-counted': Record<string, never>;
  'rows-not-visible': { reason: string };

  'no-end-to-compare': Record<string, never>;
  'ended-as-expected': { state: JobState };
  'progress-unusual': { progress: number; before: number };
  'ended-at-other-progress': { progress: number; expected: number };
  'ended-otherwise': { state: JobState; expected: string; error: string };
  'ended-as-control': { state: JobState };
  'control-refused-too': { state: JobState; error: string };
  'expected-end-unknown': { state: JobState; error: string };
  'cancelled-by-others': Record<string, never>;

  'no-progress-column': Record<string, never>;
  'progress-went-down': { before: number; after: number | null; incarnation: number | null };
  'effects-are-whole': Record<string, never>;
  'progress-rose': { highest: number };
  'effects-not-counted': Record<string, never>;
  'effects-not-comparable': Record<string, never>;
  'effect-repeated': { item: string; count: number };
  'effects-late': { items: number };
  'effect-missing': { item: string };
  'effects-once': { items: number };
  'effects-so-far': { items: number };
  'changed-after-end': {
    state: JobState;
    now: string;
    columns: string;
    afterMs: number;
    incarnation: number | null;
  };
  'not-settled': Record<string, never>;
  'unchanged-after-end': { forMs: number };
  'older-wrote-after-newer': { older: number; newer: number; status: string };
  'older-claim-returned': { claim: string; after: string };
  'writers-in-order': { claims: number };
  'no-retry-column': Record<string, never>;
  'retries-went-down': { before: number; after: number; incarnation: number | null };
  'retries-over-limit': { count: number; most: number };
  'retries-burnt': { spent: number; restarts: number };
  'retries-counted': { count: number };
  'workers-do-not-tell': Record<string, never>;
  'broker-not-asked': Record<string, never>;
  'broker-hidden': { reason: string };
  'row-and-queue-disagree': { state: JobState; broker: string };
  'still-in-queue': { broker: string; due: string };
  'messages-left': { messages: number };
  'set-for-the-job': { what: string; due: string };
  'lock-stands': { name: string };
  'no-witnesses': Record<string, never>;
  'witnesses-well': { waited: number };
  'ended-witness-touched': { before: string; after: string };
  'waiting-witness-gone': Record<string, never>;
  'ended-witness-effect-gone': { item: string };
  'waiting-witness-stuck': { status: string };
  'waiting-witness-failed': { state: JobState; error: string };
  'waiting-witness-not-awaited': { status: string };
  'waiting-witness-reopened': { before: string; now: string };
  'waiting-witness-twice': { times: number };
  'nothing-retried': Record<string, never>;
  'backoff-unknown': { retries: number };
  'retry-counted-twice': { retry: number; step: number };
  'retried-too-early': { retry: number; waitedMs: number; leastMs: number };
  'backoff-begun-anew': { retry: number; waitedMs: number; leastMs: number };
  'retry-never-came': { retry: number };
  'backoff-kept': { retries: number };

  'criterion-threw': { message: string };
}

export type FindingCode = keyof FindingArguments;

/** One finding: a code and the values of its sentence. */
export type Finding = {
  readonly [Code in FindingCode]: { readonly code: Code } & Readonly<FindingArguments[Code]>;
}[FindingCode];

export function finding<Code extends FindingCode>(
  code: Code,
  ...[values]: FindingArguments[Code] extends Record<string, never> ? [] : [FindingArguments[Code]]
): Finding {
  return { code, ...values } as unknown as Finding;
}
