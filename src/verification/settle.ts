/**
 * The time between the end of the job and the verdict. A redelivery that comes late, a second message, a write after
 * the end: all of them come after a row that looks perfect. So: wait until the broker keeps nothing of the job that
 * could still be handed out, and then a little longer, in which a living worker has its chance to do harm.
 */
import type { BrokerState } from '../core/event.ts';
import type { BrokerWatch } from './broker-watch.ts';
import { isEnd, pause, record, subjectChanges, until, type InFlight } from './context.ts';

const AFTER_EMPTY_MS = 500;
const WHERE_UNKNOWN_MS = 5_000;
/** A broker that still keeps the job after this is a finding, not a reason to wait on. */
const LIMIT_MS = 15_000;
const ASK_INTERVAL_MS = 20;

export async function settle(run: InFlight, broker: BrokerWatch): Promise<void> {
  const startedAtMs = run.recorder.now();
  record(run, { kind: 'settle:started' });
  const reason = await waitForQuiet(run, broker, startedAtMs);
  await run.observer.catchUp();
  record(run, { kind: 'settle:ended', reason, durationMs: run.recorder.now() - startedAtMs });
}

async function waitForQuiet(
  run: InFlight,
  broker: BrokerWatch,
  startedAtMs: number,
): Promise<'broker-empty' | 'time-over' | 'limit'> {
  const { settle: setting } = run.settings;
  // A job that never ended has nothing to settle: what the broker still keeps of it is told of as it is. One that has
  // left its end again is waited for: what it becomes belongs to the verdict.
  const changes = subjectChanges(run);
  if (changes.length > 0 && !changes.some(isEnd)) return 'time-over';
  if (setting !== 'auto') {
    await pause(run, setting);
    return 'time-over';
  }
  broker.setInterval(ASK_INTERVAL_MS);
  const quiet = await until(run, LIMIT_MS, ASK_INTERVAL_MS, async () => {
    const state = await run.queue.inspect(run.subject.message).catch(() => null);
    if (state === null) return 'unknown' as const;
    if (fallsDueLater(state, run.recorder.now(), startedAtMs + LIMIT_MS)) return undefined;
    if (!keepsNothing(state)) return undefined;
    // Kept as it was seen: a busy worker may leave the next question without an answer.
    record(run, { kind: 'broker:snapshot', job: run.subject.id, role: run.subject.role, ...state });
    return 'empty' as const;
  });
  await broker.look();
  if (quiet === undefined) return 'limit';
  await pause(run, quiet === 'empty' ? AFTER_EMPTY_MS : WHERE_UNKNOWN_MS);
  return quiet === 'empty' ? 'broker-empty' : 'time-over';
}

function keepsNothing(state: BrokerState): boolean {
  const over = state.state === 'gone' || state.state === 'ended' || state.state === 'dead';
  return over && (state.messages ?? 0) === 0;
}

/**
 * A lock or lease that outlives the job may bring it out again when it ends: whoever looks for dead owners finds it
 * then. One that ends after the limit is not waited for.
 */
function fallsDueLater(state: BrokerState, nowMs: number, limitAtMs: number): boolean {
  const { lockUntilMs } = state;
  return state.state === 'ended' && lockUntilMs !== null && lockUntilMs > nowMs && lockUntilMs < limitAtMs;
}
