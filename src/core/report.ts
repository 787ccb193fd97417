/** The judgement of a run as data: what the reporters are given. Its JSON form is the public report, version 1. */
import { judgeSafely } from './criteria/criterion.ts';
import { judgeCriteria } from './criteria/index.ts';
import { restartObserved } from './criteria/restart-observed.ts';
import { diagnose, type Diagnosis } from './diagnosis/index.ts';
import { isTerminal, type JobState, type TargetSummary } from './event.ts';
import { createHistory, first, isBefore, last, rowBefore, type History } from './history.ts';
import { isDrain, restartFacts, type RestartFacts } from './restart.ts';
import { combine, type JudgedCriterion, type Verdict } from './verdict.ts';

export type Outcome = 'handed-over' | 'drained' | 'lost' | 'stuck' | 'vacuous';

export interface WorkerLife {
  readonly incarnation: number;
  readonly pid: number | null;
  /** ISO 8601; empty where the history does not tell when it began. */
  readonly startedAt: string;
  readonly stoppedAt: string | null;
  readonly signal: string | null;
}

export interface Timings {
  readonly toProcessingMs: number | null;
  /** From the fault (a person's: from the end of the old worker) until a new worker was ready. */
  readonly downtimeMs: number | null;
  /** From the fault until a new worker worked on the job. */
  readonly recoveryMs: number | null;
  readonly restartToTerminalMs: number | null;
  readonly totalMs: number;
}

/** What the evidence's times "after …" are counted from: a restart that was seen, a strike that proved to be none, or a person's panel that nothing followed. */
export type CountedFrom = 'restart' | 'strike' | 'request';

export interface Report {
  readonly runId: string;
  readonly toolVersion: string;
  readonly verdict: Verdict | 'error';
  /** Why there is no verdict; `null` where there is one. */
  readonly aborted: {
    readonly reason: 'interrupted' | 'environment' | 'internal';
    readonly text: string;
  } | null;
  readonly scenario: string;
  readonly strikeAt: string;
  readonly outcome: Outcome;
  readonly target: TargetSummary;
  readonly job: {
    readonly id: string | null;
    readonly files: number;
    readonly finalStatus: string | null;
    readonly finalState: JobState | null;
    readonly progress: number | null;
    readonly retryCount: number | null;
    readonly taskId: string | null;
  };
  readonly timings: Timings;
  readonly countedFrom: CountedFrom;
  /** The table's own word for a state, where the job had one word alone for it. */
  readonly statuses: Readonly<Partial<Record<JobState, string>>>;
  readonly criteria: readonly JudgedCriterion[];
  readonly diagnoses: readonly Diagnosis[];
  readonly workers: readonly WorkerLife[];
  readonly journal: string;
  /** The command line that began the run, credentials masked; `null` where it is not known. */
  readonly command: string | null;
}

const UNKNOWN_TARGET: TargetSummary = {
  table: '',
  queue: '',
  backend: null,
  queueName: '',
  task: '',
  worker: '',
};

/**
 * Judges a history. Pure: the same history gives the same report, anywhere and at any time.
 * @returns a report whose verdict is `error` where the run was ended before it could prove anything
 */
export function judge(recorded: History): Report {
  const history = untilEnd(recorded);
  const run = first(history, 'run:started');
  const facts = restartFacts(history);
  const criteria = judgeCriteria(history, facts);
  const aborted = last(history, 'run:aborted');
  const truncated = last(history, 'run:ended') === undefined;
  const judged = combine(criteria);
  const outcome = outcomeOf(history, facts, criteria);
  // A history that breaks off shows what it shows of failure, but it can prove no pass; nor can one without a restart,
  // whatever level the configuration gives that criterion.
  const verdict = judged === 'passed' && (truncated || outcome === 'vacuous') ? 'inconclusive' : judged;
  const row = rowBefore(facts.versions);
  return {
    runId: run?.runId ?? '',
    toolVersion: run?.toolVersion ?? '',
    verdict: aborted === undefined ? verdict : 'error',
    aborted: aborted === undefined ? null : { reason: aborted.reason, text: aborted.text },
    scenario: run?.scenario ?? '',
    strikeAt: run?.strikeAt ?? '',
    outcome,
    target: run?.target ?? UNKNOWN_TARGET,
    job: {
      id: facts.job ?? null,
      files: run?.files ?? 0,
      finalStatus: row?.status ?? null,
      finalState: row?.state ?? null,
      progress: row?.progress ?? null,
      retryCount: row?.retryCount ?? null,
      taskId: row?.taskId ?? null,
    },
    timings: timingsOf(history, facts),
    countedFrom: countedFrom(facts, outcome),
    statuses: statusesOf(facts),
    criteria,
    diagnoses: diagnose(history, facts, criteria),
    workers: workersOf(history),
    journal: run?.journal ?? '',
    command: run?.command ?? null,
  };
}

/** What the clean-up recorded after the end of the run is no observation of the job. */
function untilEnd(history: History): History {
  const end = last(history, 'run:ended');
  if (end === undefined) return history;
  return createHistory(history.events.filter((event) => event.seq <= end.seq));
}

function outcomeOf(history: History, facts: RestartFacts, criteria: readonly JudgedCriterion[]): Outcome {
  if (judgeSafely(restartObserved, 'required', history, facts).status !== 'passed') return 'vacuous';
  const row = rowBefore(facts.versions);
  const ended = row != null && isTerminal(row.state);
  const pickedUp =
    facts.takeOver !== undefined ||
    criteria.some(({ id, status }) => id === 'picked-up-again' && status === 'passed');
  if (isDrain(facts) && !pickedUp) return ended ? 'drained' : 'lost';
  if (!pickedUp) return 'lost';
  return ended ? 'handed-over' : 'stuck';
}

function countedFrom({ by, gone }: RestartFacts, outcome: Outcome): CountedFrom {
  if (outcome !== 'vacuous') return 'restart';
  return by === 'operator' && gone === undefined ? 'request' : 'strike';
}

function statusesOf({ changes }: RestartFacts): Report['statuses'] {
  const words = new Map<JobState, Set<string>>();
  for (const { values } of changes) {
    if (values?.status == null) continue;
    const seen = words.get(values.state) ?? new Set();
    words.set(values.state, seen.add(values.status));
  }
  return Object.fromEntries(
    [...words].flatMap(([state, seen]) => (seen.size === 1 ? [[state, [...seen][0]]] : [])),
  );
}

function timingsOf(history: History, facts: RestartFacts): Timings {
  const submitted = history.of('job:submitted').find((event) => event.job === facts.job);
  const processing = facts.changes.find((version) => version.values?.state === 'processing');
  const since = (start: { atMs: number } | undefined, end: { atMs: number } | undefined): number | null =>
    start === undefined || end === undefined ? null : Math.max(0, end.atMs - start.atMs);
  const { begun, end, struckAtMs } = facts;
  const struck = struckAtMs === undefined ? undefined : { atMs: struckAtMs };
  const endedAfter = end !== undefined && begun !== undefined && isBefore(begun, end);
  return {
    toProcessingMs: since(submitted, processing),
    downtimeMs: since(struck, facts.successor),
    recoveryMs: since(struck, facts.takeOver?.version),
    restartToTerminalMs: endedAfter ? since(struck, end) : null,
    totalMs: history.events.at(-1)?.atMs ?? 0,
  };
}

function workersOf(history: History): readonly WorkerLife[] {
  const zero = Date.parse(first(history, 'run:started')?.startedAt ?? '');
  const wallClock = (atMs: number): string => (Number.isNaN(zero) ? '' : new Date(zero + atMs).toISOString());
  return history.of('worker:started').map((started) => {
    const gone = history.of('worker:gone').find((event) => event.incarnation === started.incarnation);
    const exited = history.of('worker:exited').find((event) => event.incarnation === started.incarnation);
    // Of several signals (a polite one, then SIGKILL) the last is the one that ended it.
    const fault = history.of('fault:injected').findLast((event) => event.incarnation === started.incarnation);
    const stopped = gone ?? exited;
    return {
      incarnation: started.incarnation,
      pid: started.pid,
      startedAt: wallClock(started.atMs),
      stoppedAt: stopped === undefined ? null : wallClock(stopped.atMs),
      signal: fault?.signal ?? null,
    };
  });
}
