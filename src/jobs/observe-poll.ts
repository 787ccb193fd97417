/**
 * The fallback observer: looks at the rows again and again. It sees states, not changes: what came and went between
 * two looks is lost, and nobody's name stands by a change. The report says so.
 */
import { environmentError, isUserError } from '../core/errors.ts';
import type { Observer, ObserverSink } from './observer.ts';
import { oneAtATime } from './one-at-a-time.ts';
import type { ReadRows } from './read-rows.ts';

export interface PollOptions {
  /** One look at the rows of these jobs: at the table, or by whatever else shows them. */
  readonly read: (jobs: readonly string[]) => Promise<ReadRows>;
  readonly jobs: readonly string[];
  readonly intervalMs: number;
}

/** After failing for this long without a break, the rows are taken for lost from sight. */
const LOST_AFTER_MS = 10_000;

export function observeByPolling(options: PollOptions, sink: ObserverSink): Observer {
  const jobs = [...options.jobs];
  const digests = new Map<string, string>();
  /** When the last look was answered, by the server's clock. */
  let lastAtMs: number | null = null;
  let closed = false;
  let failure: { readonly sinceMs: number; readonly error: Error; readonly told: string } | null = null;
  let lost: Error | null = null;

  const look = async (): Promise<void> => {
    if (closed) return;
    const { rows, databaseAtMs } = await options.read(jobs);
    const gap = lastAtMs === null ? {} : { gapMs: Math.max(0, databaseAtMs - lastAtMs) };
    lastAtMs = databaseAtMs;
    for (const job of jobs) {
      const values = rows.get(job);
      const before = digests.get(job);
      if (values === undefined) {
        if (before === undefined) continue;
        digests.delete(job);
        sink.version({ job, operation: 'delete', values: null, databaseAtMs, ...gap });
      } else if (values.digest !== before) {
        digests.set(job, values.digest);
        const operation = before === undefined ? 'insert' : 'update';
        sink.version({ job, operation, values, databaseAtMs, ...gap });
      }
    }
  };
  const catchUp = oneAtATime(look);
  const onFailure = (reason: unknown): void => {
    if (closed) return;
    const error = reason instanceof Error ? reason : new Error(String(reason));
    const sinceMs = failure?.sinceMs ?? performance.now();
    if (failure?.told !== error.message) sink.failed(error.message);
    failure = { sinceMs, error, told: error.message };
    if (lost !== null || performance.now() - sinceMs < LOST_AFTER_MS) return;
    lost = isUserError(error)
      ? error
      : environmentError('rows-out-of-sight', `the job's row could not be read any more: ${error.message}`);
    sink.failed(`given up after ${LOST_AFTER_MS / 1000} s: ${error.message}`);
  };
  const onSuccess = (): void => {
    failure = null;
  };
  let timer: NodeJS.Timeout | undefined;
  // The next look is due after the last one has been answered: a slow server is not asked faster than it answers.
  const schedule = (): void => {
    if (closed) return;
    timer = setTimeout(() => {
      void catchUp().then(onSuccess, onFailure).then(schedule);
    }, options.intervalMs);
  };
  schedule();
  return {
    source: 'poll',
    catchUp,
    expect: () => undefined,
    async follow(job) {
      if (job !== null) jobs.push(job);
      await catchUp();
      return false;
    },
    lost: () => lost,
    async [Symbol.asyncDispose]() {
      closed = true;
      clearTimeout(timer);
      await catchUp().catch(() => undefined);
    },
  };
}
