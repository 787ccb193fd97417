/** Asks the broker about a job again and again, and records what has changed. Asking changes nothing (see `Queue`). */
import type { BrokerState } from '../core/event.ts';
import { record, type Connected, type JobOnHand } from './context.ts';

export interface BrokerWatch extends AsyncDisposable {
  /** Asks now and records the answer, changed or not. `null`: the broker cannot be asked. */
  look(): Promise<BrokerState | null>;
  /** How often it asks by itself. */
  setInterval(ms: number): void;
}

/** Often enough that what it says of the time before the strike is fresh. */
const DEFAULT_INTERVAL_MS = 50;
/** A due time that moves by less is the same (a lock that is being renewed). */
const SAME_DUE_MS = 1_000;
/** What is delayed has a due time that nobody renews: if it moves, somebody put it off. */
const SAME_DELAY_MS = 100;

export function watchBroker(run: Connected, job: JobOnHand): BrokerWatch {
  let previous: BrokerState | null = null;
  let intervalMs = DEFAULT_INTERVAL_MS;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let complained = false;
  let asking: Promise<unknown> = Promise.resolve();

  const ask = async (always: boolean): Promise<BrokerState | null> => {
    let state: BrokerState | null;
    try {
      state = await run.queue.inspect(job.message);
    } catch (error) {
      if (!complained && !closed) {
        complained = true;
        const text = `the broker cannot be asked: ${error instanceof Error ? error.message : String(error)}`;
        record(run, { kind: 'note', code: 'broker-silent', text });
      }
      return null;
    }
    if (state !== null && !closed && (always || previous === null || isOther(previous, state))) {
      record(run, { kind: 'broker:snapshot', job: job.id, role: job.role, ...state });
      previous = state;
    }
    return state;
  };
  /** One question at a time: a later answer must not be recorded before an earlier one. */
  const queued = (always: boolean): Promise<BrokerState | null> => {
    const next = asking.then(
      () => ask(always),
      () => ask(always),
    );
    asking = next;
    return next;
  };
  const schedule = (): void => {
    clearTimeout(timer);
    if (closed) return;
    timer = setTimeout(() => {
      void queued(false).then(schedule, schedule);
    }, intervalMs);
  };
  schedule();
  return {
    look: () => queued(true),
    setInterval(ms) {
      intervalMs = ms;
      schedule();
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      clearTimeout(timer);
      await asking.catch(() => undefined);
    },
  };
}

function isOther(before: BrokerState, now: BrokerState): boolean {
  return (
    before.state !== now.state ||
    before.owner !== now.owner ||
    before.deliveries !== now.deliveries ||
    before.stalls !== now.stalls ||
    before.messages !== now.messages ||
    before.failedReason !== now.failedReason ||
    before.due.kind !== now.due.kind ||
    (before.due.kind === 'at' &&
      now.due.kind === 'at' &&
      Math.abs(before.due.atMs - now.due.atMs) > (now.state === 'delayed' ? SAME_DELAY_MS : SAME_DUE_MS))
  );
}
