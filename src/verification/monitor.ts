/** Step 6: from the restart to the end of the job, or to the time-out. */
import { SURELY_LATER_MS } from '../core/deliveries.ts';
import { isHeldByAnother } from '../core/redelivery.ts';
import { restartFacts } from '../core/restart.ts';
import { countEffectsAtEnd } from './conclude.ts';
import type { BrokerWatch } from './broker-watch.ts';
import { hasEnded, pause, record, waitFor, type InFlight } from './context.ts';

/** The time-out is not raised beyond this: a broker that needs longer is told of with its due time. */
const LONGEST_TIMEOUT_MS = 10 * 60_000;
/** Without a living worker nothing can happen any more; this long its last writes may take to be seen. */
const NOBODY_LEFT_GRACE_MS = 2_000;

/** A worker that looks does so at its start, which may be a moment after it was ready. */
const LOOKS_WITHIN_MS = 3_000;

/** @returns whether the job ended */
export async function monitor(run: InFlight, broker: BrokerWatch): Promise<boolean> {
  const timeout = await terminalTimeout(run);
  const startedAtMs = run.recorder.now();
  const { terminalTimeoutMs } = run.settings;
  const over = () => {
    if (hasEnded(run, run.subject.id)) return 'ended' as const;
    return nobodyLeft(run) ? ('nobody' as const) : undefined;
  };
  const brokerDone = () => (hasBrokerDone(run) ? ('broker-done' as const) : undefined);
  const isRaised = timeout.firstMs > terminalTimeoutMs;
  let seen = await waitFor(run, timeout.firstMs, () => over() ?? (isRaised ? brokerDone() : undefined));
  if (seen === undefined && timeout.furtherMs > 0 && !(await isStillGuessed(run))) {
    seen = await waitFor(run, timeout.furtherMs, () => over() ?? brokerDone());
  }
  // It was raised for the broker's own time: from when nothing more is to come of the broker, the setting counts.
  const end = seen === 'broker-done' ? await waitFor(run, terminalTimeoutMs, over) : seen;
  if (end === 'nobody') {
    await waitFor(run, NOBODY_LEFT_GRACE_MS, () => undefined);
    record(run, { kind: 'note', code: 'nobody-left', text: 'no worker is left that could take the job up' });
  }
  if (end === undefined) {
    record(run, { kind: 'timeout:reached', timeout: 'terminal', afterMs: run.recorder.now() - startedAtMs });
  }
  if (end === 'ended') await countEffectsAtEnd(run);
  await broker.look();
  if (end === 'ended') {
    // A look that comes with the end may have been begun before it: one that surely was not tells who had the job then.
    await pause(run, SURELY_LATER_MS + 5);
    await broker.look();
  }
  return end === 'ended';
}

interface TerminalTimeout {
  readonly firstMs: number;
  /** To wait on after that. */
  readonly furtherMs: number;
}

/**
 * The setting, or more where the broker itself takes longer to hand the job out again. What is added because of a guess
 * is waited for only if something has borne it out by then.
 */
async function terminalTimeout(run: InFlight): Promise<TerminalTimeout> {
  const { terminalTimeoutMs } = run.settings;
  const asSet: TerminalTimeout = { firstMs: terminalTimeoutMs, furtherMs: 0 };
  // The queue's recovery is counted from a new worker on.
  if (isNobodyReady(run)) return asSet;
  const estimate = await run.queue.estimateRecovery(run.subject.message).catch(() => null);
  if (estimate?.atMostMs == null) return asSet;
  // Half of the time is left for the work itself.
  const wantedMs = estimate.atMostMs + Math.round(terminalTimeoutMs / 2);
  // Less than a second more is not worth a word.
  if (wantedMs < terminalTimeoutMs + 1_000 || wantedMs > LONGEST_TIMEOUT_MS) return asSet;
  record(run, {
    kind: 'timeout:raised',
    fromMs: terminalTimeoutMs,
    toMs: wantedMs,
    reason: estimate.because,
  });
  return estimate.guessed === true
    ? { firstMs: terminalTimeoutMs, furtherMs: wantedMs - terminalTimeoutMs }
    : { firstMs: wantedMs, furtherMs: 0 };
}

/**
 * A worker that looks for what the dead have left does so when it starts, and the queue notes it. Where nothing is noted
 * though a worker was ready all this time, nobody looks: what the guess was about will not come.
 */
async function isStillGuessed(run: InFlight): Promise<boolean> {
  const estimate = await run.queue.estimateRecovery(run.subject.message).catch(() => null);
  const successor = run.recorder.latest('worker:ready');
  const there = successor !== undefined && successor.incarnation > 1;
  const longEnough = there && run.recorder.now() - successor.atMs >= LOOKS_WITHIN_MS;
  const guessed = estimate?.guessed === true && longEnough;
  if (guessed) {
    record(run, {
      kind: 'note',
      code: 'nobody-looks',
      text: 'no worker has looked for jobs of the dead since the restart: nothing more is waited for',
    });
  }
  return guessed;
}

/** The harness has started a new worker, which is not ready. */
function isNobodyReady(run: InFlight): boolean {
  const started = run.recorder.latest('worker:started');
  const ready = run.recorder.latest('worker:ready');
  return started?.by === 'auto' && ready?.incarnation !== started.incarnation;
}

/** A living worker holds the job, or could take it at once, or the broker has nothing of it to hand out. */
function hasBrokerDone(run: InFlight): boolean {
  const snapshot = run.recorder.latest('broker:snapshot');
  if (snapshot === undefined || snapshot.job !== run.subject.id) return false;
  if (snapshot.due.kind === 'never' || snapshot.due.kind === 'now') return true;
  return isHeldByAnother(restartFacts(run.recorder.history()), snapshot);
}

/** The last worker that the harness started has ended by itself. */
function nobodyLeft(run: InFlight): boolean {
  const started = run.recorder.latest('worker:started');
  const exited = run.recorder.latest('worker:exited');
  return (
    started?.by === 'auto' &&
    exited !== undefined &&
    exited.incarnation === started.incarnation &&
    !exited.expected
  );
}
