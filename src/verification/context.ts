/** What the steps of a run share: its settings, its record, and what was opened on the way. */
import type { Settings } from '../config/settings.ts';
import { isTerminal, type Event, type EventBody, type JobRole, type Thing } from '../core/event.ts';
import { changesOf, createHistory, type RowVersion } from '../core/history.ts';
import type { Scenario } from '../core/scenario.ts';
import type { Database } from '../jobs/database.ts';
import type { Observer } from '../jobs/observer.ts';
import type { JobTable } from '../jobs/table.ts';
import type { Recorder } from '../journal/recorder.ts';
import type { MessageRef, Queue } from '../queues/queue.ts';

/** What a person is told when they are to restart the worker. */
export interface OperatorPanel {
  readonly attempt: number;
  /** The process to kill; `null` where it could not be found out. */
  readonly worker: { readonly pid: number; readonly command: string } | null;
  /** A polite stop is what is to be verified. */
  readonly polite: boolean;
  /** Why the last answer was not accepted. */
  readonly refuted: string | null;
  /** The old worker is gone already, and only a new one is missing. */
  readonly gone: boolean;
  /** The command that starts a worker, where the settings know one. */
  readonly startCommand: string | null;
  /** Whether the job is held, so that there is time. */
  readonly held: boolean;
}

export interface Operator {
  /**
   * Shows the panel and waits for the answer, or until `restarted` is aborted: then the restart was seen, which is as
   * good as `done`. Rejects with the signal's reason when that is aborted.
   */
  ask(panel: OperatorPanel, signal: AbortSignal, seen: RestartSeen): Promise<'done' | 'gave-up'>;
}

/** What is seen of a restart while a person is asked for it: each is aborted when it is. */
export interface RestartSeen {
  /** The old worker is gone. */
  readonly gone: AbortSignal;
  /** … and a new one is there: nobody has to be asked any more. */
  readonly restarted: AbortSignal;
}

/** Servers that are started for the run alone, e.g. by the demo. */
export interface Environment {
  /** @returns the URLs to use instead of the settings' own; secrets */
  start(context: {
    readonly made: (thing: Thing) => void;
    readonly removed: (thing: Thing) => void;
    readonly folder: string;
    readonly signal: AbortSignal;
    readonly tell: (text: string) => void;
  }): Promise<{
    readonly databaseUrl: string;
    readonly queueUrl: string;
    /** What the worker needs to find them. */
    readonly workerEnv: Readonly<Record<string, string>>;
    /** For the panel, where a person restarts the worker. */
    readonly workerStartCommand?: string;
  }>;
  stop(): Promise<void>;
}

export interface RunContext {
  readonly id: string;
  /** The id in lower-case letters, digits and underscores, for names in the database. */
  readonly suffix: string;
  readonly settings: Settings;
  readonly scenario: Scenario;
  readonly recorder: Recorder;
  /** The run's own folder for what it must make on disk beside the journal; removed at the end. */
  readonly temporaryFolder: string;
  /** Where the journal and the workers' logs lie. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly operator: Operator | null;
  readonly redact: (text: string) => string;
  /** From now on this is masked too. */
  readonly onSecret: (secret: string) => void;
  /** Every fault is left out: the self-test against vacuity. */
  readonly disarmed: boolean;
}

/** The run once it is connected. */
export interface Connected extends RunContext {
  /** `null`: no access; then the queue has an API that shows its jobs. */
  readonly database: Database | null;
  readonly table: JobTable | null;
  /** Where rows go when their job has ended; `null`: they stay. */
  readonly archive: JobTable | null;
  readonly queue: Queue;
  /** A pooler stands between: connections do not tell their clients. */
  readonly pooled: boolean;
}

export interface JobOnHand {
  readonly id: string;
  readonly role: JobRole;
  readonly files: readonly string[];
  readonly message: MessageRef;
}

/** The run once the rows are observed. */
export interface Observing extends Connected {
  readonly observer: Observer;
}

/** The run once its job is there. */
export interface InFlight extends Observing {
  readonly subject: JobOnHand;
  /** The witness that waits behind the subject, if there is one. */
  readonly witness: JobOnHand | null;
}

export function record(run: RunContext, body: EventBody): Event {
  return run.recorder.record(body);
}

/** The recorded changes of the subject's row so far. */
export function subjectChanges(run: InFlight): readonly RowVersion[] {
  return changesOf(createHistory(run.recorder.events), run.subject.id);
}

/** A run, and what observes its jobs once there is something to observe. */
type Waiting = RunContext & { readonly observer?: Observer };

/** A final state, or gone. */
export function isEnd({ values }: RowVersion): boolean {
  return values === null || isTerminal(values.state);
}

/** Whether a job's row was last recorded in a final state, or as gone. */
export function hasEnded(run: RunContext, job: string): boolean {
  const last = changesOf(createHistory(run.recorder.events), job).at(-1);
  return last !== undefined && isEnd(last);
}

/** Waits until `find` answers; see `Recorder.waitFor`. Throws when nothing can be seen of the jobs any more. */
export function waitFor<Found>(
  run: Waiting,
  timeoutMs: number,
  find: () => Found | undefined,
): Promise<Found | undefined> {
  const findInSight = (): Found | undefined => {
    throwIfLost(run);
    return find();
  };
  return run.recorder.waitFor(findInSight, { timeoutMs, signal: run.signal });
}

function throwIfLost({ observer }: Waiting): void {
  const lost = observer?.lost() ?? null;
  if (lost !== null) throw lost;
}

/** Runs one step: its beginning and its end are events, also when it throws. */
export async function inStep<Result>(
  run: RunContext,
  step: Extract<EventBody, { kind: 'step:started' }>['step'],
  work: () => Promise<Result>,
): Promise<Result> {
  run.signal.throwIfAborted();
  record(run, { kind: 'step:started', step });
  let ok = false;
  try {
    const result = await work();
    ok = true;
    return result;
  } finally {
    record(run, { kind: 'step:ended', step, ok });
  }
}

/** A pause that ends early when the run is interrupted. */
export function pause(run: RunContext, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(run.signal.reason as Error);
    };
    const timer = setTimeout(() => {
      run.signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    if (run.signal.aborted) onAbort();
    else run.signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** Asks again and again until `check` answers with something other than `undefined`; @returns `undefined` when the time is over */
export async function until<Found>(
  run: Waiting,
  timeoutMs: number,
  intervalMs: number,
  check: () => Promise<Found | undefined> | Found | undefined,
): Promise<Found | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    throwIfLost(run);
    const found = await check();
    if (found !== undefined) return found;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return undefined;
    await pause(run, Math.min(intervalMs, leftMs));
  }
}
