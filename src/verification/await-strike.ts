/** Step 4: the job is picked up, and the moment of `--strike-at` comes, unless the job ends before. */
import { describeBroker } from '../core/broker-words.ts';
import { environmentError } from '../core/errors.ts';
import type { MessageState } from '../core/event.ts';
import type { RowVersion } from '../core/history.ts';
import type { StrikeAt } from '../config/settings.ts';
import type { BrokerWatch } from './broker-watch.ts';
import { droppedTask, workerSays } from './worker-says.ts';
import { hasEnded, isEnd, pause, record, subjectChanges, until, waitFor, type InFlight } from './context.ts';

/** A worker that keeps one transaction open shows nothing in the row: after this long the broker's word is taken. */
const UNSEEN_AFTER_MS = 1_000;

/**
 * @returns whether there is something to strike: `false` means the job has ended already
 * @throws UserError `not-picked-up` when nobody takes the job within `--processing-timeout`
 */
export async function awaitStrike(run: InFlight, broker: BrokerWatch): Promise<boolean> {
  const { strikeAt, processingTimeoutMs } = run.settings;
  if (strikeAt.kind === 'pending') return struck(run, 'triggered, not yet picked up');
  const pickedUp = await waitForPickUp(run, broker, processingTimeoutMs);
  if (pickedUp === undefined) throw await notPickedUp(run, broker);
  if (pickedUp === 'ended') return false;
  // How the broker holds the job is to be known before the strike, which does not wait for it.
  void broker.look();
  if (pickedUp === 'unseen') return struck(run, 'held in the broker, the row does not show it');
  return awaitMoment(run, broker, strikeAt, pickedUp);
}

function struck(run: InFlight, reason: string): true {
  record(run, { kind: 'strike:due', moment: run.recorder.latest('run:started')?.strikeAt ?? '', reason });
  return true;
}

async function waitForPickUp(
  run: InFlight,
  broker: BrokerWatch,
  timeoutMs: number,
): Promise<RowVersion | 'ended' | 'unseen' | undefined> {
  const inRow = (): RowVersion | 'ended' | undefined => {
    const changes = subjectChanges(run);
    // One transaction for the whole job shows all of it at once, when it is over.
    if (hasEnded(run, run.subject.id)) return 'ended';
    return changes.find((version) => version.values?.state === 'processing');
  };
  let heldSinceMs: number | null = null;
  const inBroker = async (): Promise<RowVersion | 'ended' | 'unseen' | undefined> => {
    const seen = inRow();
    if (seen !== undefined) return seen;
    const state = await broker.look();
    if (state?.state !== 'active') heldSinceMs = null;
    else heldSinceMs ??= run.recorder.now();
    return heldSinceMs !== null && run.recorder.now() - heldSinceMs > UNSEEN_AFTER_MS ? 'unseen' : undefined;
  };
  // The row wakes us at once; the broker is only asked now and then for what the row cannot show.
  const rowFirst = await waitFor(run, Math.min(timeoutMs, UNSEEN_AFTER_MS), inRow);
  if (rowFirst !== undefined) return rowFirst;
  const snapshot = run.recorder.latest('broker:snapshot');
  if (snapshot?.state === 'active') heldSinceMs = snapshot.atMs;
  return until(run, timeoutMs - UNSEEN_AFTER_MS, 50, inBroker);
}

/** The worker has done with the message: then the retry is kept by somebody else. */
const WAITING_ELSEWHERE: readonly MessageState[] = ['ended', 'dead', 'gone'];
/** The row is told of a retry before the broker is. A worker that has not told it by then keeps the message in hand. */
const TOLD_BROKER_MS = 500;

async function awaitMoment(
  run: InFlight,
  broker: BrokerWatch,
  strikeAt: StrikeAt,
  processing: RowVersion,
): Promise<boolean> {
  const limitMs = run.settings.terminalTimeoutMs;
  switch (strikeAt.kind) {
    case 'pending':
    case 'processing':
      return struck(run, `${describeWriter(processing)}processing`);
    case 'progress':
    case 'progress-at': {
      const wanted = strikeAt.kind === 'progress-at' ? strikeAt.percent : null;
      if (processing.values?.progress === undefined)
        return struck(run, 'processing (the table shows no progress)');
      const reached = await waitFor(run, limitMs, () => progressOrEnd(run, processing, wanted));
      if (reached === undefined || reached === 'ended') return ended(run, reached);
      return struck(
        run,
        `${describeWriter(reached)}${wanted === null ? 'first item done: ' : ''}${reached.values?.progress ?? 0} %`,
      );
    }
    case 'after-processing': {
      await pause(run, strikeAt.delayMs);
      if (subjectChanges(run).some(isEnd)) return false;
      return struck(run, `${strikeAt.delayMs} ms after it was picked up`);
    }
    case 'retrying': {
      const waiting = await until(run, limitMs, 50, async () => {
        const changes = subjectChanges(run);
        const last = changes.at(-1);
        if (last !== undefined && isEnd(last)) return 'ended' as const;
        if (last === undefined || (last.values?.retryCount ?? 0) < 1) return undefined;
        const state = await broker.look();
        if (state === null || state.state === 'delayed') return 'waiting' as const;
        // A wait that no broker knows of: the run is over by its message, or keeps it in hand, and the row still waits.
        if (last !== subjectChanges(run).at(-1) || !isCounted(changes)) return undefined;
        const elsewhere = WAITING_ELSEWHERE.includes(state.state);
        return elsewhere || run.recorder.now() - last.atMs > TOLD_BROKER_MS
          ? ('waiting' as const)
          : undefined;
      });
      if (waiting !== 'waiting') return ended(run, waiting);
      return struck(run, 'failed once and waiting for its backoff');
    }
  }
}

/** The last write was the one that counted the retry: nobody has begun with it. */
function isCounted(changes: readonly RowVersion[]): boolean {
  const [before, last] = changes.slice(-2);
  return (last?.values?.retryCount ?? 0) > (before?.values?.retryCount ?? 0);
}

/** A moment that never comes is told apart from a job that ended first. */
function ended(run: InFlight, why: 'ended' | undefined): false {
  if (why === undefined) {
    record(run, {
      kind: 'note',
      code: 'moment-never-came',
      text: `the moment to strike (${run.recorder.latest('run:started')?.strikeAt ?? ''}) never came within ${run.settings.terminalTimeoutMs / 1000} s`,
    });
  }
  return false;
}

function progressOrEnd(
  run: InFlight,
  processing: RowVersion,
  wanted: number | null,
): RowVersion | 'ended' | undefined {
  if (hasEnded(run, run.subject.id)) return 'ended';
  for (const version of subjectChanges(run)) {
    if (version.seq < processing.seq) continue;
    if (isEnd(version)) return 'ended';
    const progress = version.values?.progress ?? 0;
    if (version.values?.state === 'processing' && (wanted === null ? progress > 0 : progress >= wanted))
      return version;
  }
  return undefined;
}

function describeWriter(version: RowVersion): string {
  const name = version.writer?.applicationName ?? '';
  const incarnation = /^verify-restart#(\d+)$/.exec(name)?.[1];
  return incarnation === undefined ? '' : `by worker #${incarnation}, `;
}

async function notPickedUp(run: InFlight, broker: BrokerWatch): Promise<Error> {
  const { processingTimeoutMs } = run.settings;
  record(run, { kind: 'timeout:reached', timeout: 'processing', afterMs: processingTimeoutMs });
  const state = await broker.look();
  const snapshot = run.recorder.latest('broker:snapshot');
  const consumers = await run.queue.consumers().catch(() => null);
  const where =
    state === null || snapshot === undefined ? 'the broker could not be asked' : describeBroker(snapshot);
  const who =
    consumers === null
      ? ''
      : `, ${consumers.length} ${consumers.length === 1 ? 'worker is' : 'workers are'} connected to it`;
  return (
    droppedTask(run) ??
    environmentError(
      'not-picked-up',
      `the job did not reach PROCESSING within ${processingTimeoutMs / 1000} s: ${where}${who}${workerSays(run)}`,
      await remedyFor(run, state?.state ?? null),
    )
  );
}

async function remedyFor(run: InFlight, state: MessageState | null): Promise<string> {
  if (await keepsWhatHasEnded(run)) {
    return 'let the handler return when its job is done: the worker has ended the first test job in the table and still holds its message, so it takes nothing more';
  }
  if (state === 'waiting') {
    return `compare the worker's queue name, prefix and database number with ${run.settings.queue.name} on this broker; raise --processing-timeout if it is busy with other jobs`;
  }
  const table = run.table?.name ?? 'by the API';
  const toldInRow = `let the worker write a status that jobs.statuses.processing names, into the table that is watched (${table})`;
  return state === 'ended' || state === 'gone' || state === 'dead'
    ? `the worker has done with the message, and left no trace in the row: see its log for a guard, a wrong id or an error that ended it, or ${toldInRow}`
    : `${toldInRow}; see its log`;
}

/** The job of the first witness is done, by its row, and the broker has its message in somebody's hands. */
async function keepsWhatHasEnded(run: InFlight): Promise<boolean> {
  const submitted = run.recorder
    .history()
    .of('job:submitted')
    .find(({ role }) => role === 'witness-ended');
  if (submitted === undefined || !hasEnded(run, submitted.job)) return false;
  const state = await run.queue.inspect(submitted).catch(() => null);
  return state?.state === 'active';
}
