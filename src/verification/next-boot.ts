/**
 * A job that nobody took, though a new worker is there: is it lost, or does it wait for the next start of a worker?
 * One more is started, after everything was counted and judged by what came before: what it does is not recorded as an
 * observation of the job, only whether it took it.
 */
import { isTerminal } from '../core/event.ts';
import { record, subjectChanges, until, type InFlight } from './context.ts';
import { consumerIds, type HarnessWorkers } from './harness-workers.ts';
import { readJobs } from './job-rows.ts';

/** Who recovers at its start does so at once. */
const TAKES_WITHIN_MS = 2_000;
const LOOK_INTERVAL_MS = 100;

/** The observer must have been closed before. */
export async function tryNextBoot(run: InFlight, workers: HarnessWorkers): Promise<void> {
  const before = await readSubject(run);
  if (before === undefined) return;
  const consumers = await consumerIds(run);
  const next = await workers.start();
  workers.expectEnd(next);
  if (!(await workers.awaitReady(next, consumers, run.settings.processingTimeoutMs))) return;
  const took = await until(run, TAKES_WITHIN_MS, LOOK_INTERVAL_MS, async () => {
    const now = await readSubject(run);
    return now !== undefined && now.digest !== before.digest ? true : undefined;
  });
  record(
    run,
    took === true
      ? { kind: 'note', code: 'next-boot-took-it', text: 'the next start of a worker took the job up' }
      : {
          kind: 'note',
          code: 'next-boot-left-it',
          text: 'the next start of a worker did not take it up either',
        },
  );
}

/** Whether there is a job that a further start could take: not ended, and not touched since the old worker had gone, though a new one was ready. */
export function isWorthATry(run: InFlight): boolean {
  const last = subjectChanges(run).at(-1);
  const gone = run.recorder.latest('worker:gone');
  const timedOut = run.recorder.latest('timeout:reached')?.timeout === 'terminal';
  if (last?.values == null || gone === undefined || !timedOut) return false;
  const ready = run.recorder.latest('worker:ready');
  if (ready === undefined || ready.incarnation <= gone.incarnation) return false;
  return !isTerminal(last.values.state) && last.seq < gone.seq;
}

async function readSubject(run: InFlight) {
  const { rows } = await readJobs(run, [run.subject.id]);
  return rows.get(run.subject.id);
}
