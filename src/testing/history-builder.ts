/**
 * Makes histories as real runs record them, in the words of what happens:
 *
 *   aRun().job().submitted().picksUp(1).progress(20).strike().gone().starts(2).picksUp(2).completed().end()
 *
 * It keeps what a row and a broker keep (the row's values, who holds the message, how often it was handed out), so
 * that a test says only what it is about. Whatever else is to be in the history goes in by `event`, `row` or `broker`.
 */
import { connectionOf } from '../core/attribution.ts';
import type {
  BrokerState,
  CriterionLevel,
  Event,
  EventBody,
  JobRole,
  JobState,
  Reach,
  RestartMode,
  RowValues,
  Writer,
} from '../core/event.ts';
import { createHistory, type History } from '../core/history.ts';

/** How a queue shows its jobs: what is counted, who is named as the holder, what stays of what has ended. */
export type QueueShape = 'bullmq' | 'celery' | 'none';

export interface RunOptions {
  /** `bullmq` if absent. */
  readonly queue?: QueueShape;
  readonly scenario?: string;
  readonly polite?: boolean;
  readonly restartBy?: RestartMode;
  readonly strikeAt?: string;
  readonly fileMode?: 'valid' | 'missing';
  readonly files?: number;
  readonly source?: 'trigger' | 'poll';
  readonly pooled?: boolean;
  /** Whether the workers' connections carry the name that the harness gave them. */
  readonly named?: boolean;
  /** Whether there is a broker that can be asked. */
  readonly broker?: boolean;
  readonly levels?: Readonly<Record<string, CriterionLevel>>;
  readonly backoff?: { readonly baseMs: number; readonly factor: number };
}

/** Somebody who writes: an incarnation, or a name for anybody else. */
export type Who = number | string;

/** The table's id of the job in each role. */
const JOBS: Readonly<Record<JobRole, string>> = {
  subject: 'job-1',
  'witness-ended': 'job-ended',
  'witness-waiting': 'job-waiting',
  control: 'job-control',
};
const JOB = JOBS.subject;
const STARTED_AT = '2026-01-31T12:00:00.000Z';
/** The database's clock is ahead by this much. */
const CLOCK_OFFSET_MS = 40;
const STEP_MS = 10;

export function aRun(options: RunOptions = {}): RunBuilder {
  return new RunBuilder(options);
}

export class RunBuilder {
  readonly events: Event[] = [];
  readonly #options: RunOptions;
  #nowMs = 0;
  #transactions = 100;
  #role: JobRole = 'subject';
  readonly #begunMs = new Map<string, number>();
  readonly #rows = new Map<string, RowValues>();
  #worker: Who = 1;
  #broker: BrokerState = nothing();

  constructor(options: RunOptions) {
    this.#options = options;
    const restartBy = options.restartBy ?? 'auto';
    this.event({
      kind: 'run:started',
      runId: '20260131-120000-abcdef',
      toolVersion: '0.0.0',
      startedAt: STARTED_AT,
      scenario: options.scenario ?? (options.polite === true ? 'graceful' : 'crash'),
      polite: options.polite ?? false,
      strikeAt: options.strikeAt ?? 'progress',
      restartBy,
      target: {
        table: 'public.jobs',
        queue: options.queue ?? 'bullmq',
        backend: options.queue === undefined ? 'redis' : null,
        queueName: 'extraction',
        task: 'extract_bulk',
        worker: 'node worker.js',
      },
      files: options.files ?? 5,
      fileMode: options.fileMode ?? 'valid',
      terminalTimeoutMs: 120_000,
      backoff: options.backoff ?? null,
      levels: options.levels ?? {},
      journal: '.verify-restart/20260131-120000-abcdef/journal.ndjson',
      command: 'npx verify-restart --auto-restart',
    });
    this.event({ kind: 'clock:measured', offsetMs: CLOCK_OFFSET_MS, uncertaintyMs: 2 });
    if (options.broker === false) this.event({ kind: 'broker:hidden', reason: 'no broker was given' });
    if (restartBy === 'auto') this.starts(1);
    this.event({
      kind: 'observer:started',
      source: options.source ?? 'trigger',
      pooled: options.pooled ?? false,
    });
  }

  /** Appends any event, 10 ms after the one before. */
  event(body: EventBody): this {
    this.#nowMs += STEP_MS;
    this.events.push({ ...body, seq: this.events.length, atMs: this.#nowMs });
    return this;
  }

  wait(ms: number): this {
    this.#nowMs += ms;
    return this;
  }

  /** Makes the job in a role; what happens from now on happens to it. */
  job(role: JobRole = 'subject'): this {
    this.#role = role;
    const files = Array.from(
      { length: role.startsWith('witness') ? 1 : (this.#options.files ?? 5) },
      (_, index) => `/tmp/${role}/file-${index + 1}.pdf`,
    );
    this.event({ kind: 'job:created', job: JOBS[this.#role], role, status: 'pending', files });
    return this.row(
      {
        status: 'pending',
        progress: 0,
        ...(this.#options.queue === 'none'
          ? { owner: null, leaseUntil: null, heartbeatAt: null, attempts: 0 }
          : { taskId: null }),
        startedAt: null,
        completedAt: null,
        createdAt: this.#timestamp(),
        retryCount: 0,
        error: null,
      },
      'harness',
    );
  }

  /** What happens from now on happens to the job in this role. */
  of(role: JobRole): this {
    this.#role = role;
    return this;
  }

  submitted(certainty: 'certain' | 'uncertain' = 'certain'): this {
    this.#tellBroker({
      ...nothing(),
      state: 'waiting',
      due: { kind: 'now' },
      deliveries: 0,
      stalls: 0,
      messages: 1,
    });
    return this.event({
      kind: 'job:submitted',
      job: JOBS[this.#role],
      role: this.#role,
      messageId: `message-of-${JOBS[this.#role]}`,
      task: 'extract_bulk',
      certainty,
    });
  }

  /** The worker is handed the message and claims the row. */
  picksUp(who: Who, changes: Partial<RowValues> = {}): this {
    this.delivered(who);
    const before = this.#rows.get(JOBS[this.#role]);
    this.#worker = who;
    return this.row(
      {
        status: 'processing',
        ...this.#claim(who, before),
        startedAt: before?.startedAt ?? this.#timestamp(),
        ...changes,
      },
      who,
    );
  }

  /** The broker hands the message out; the row does not show it. */
  delivered(who: Who): this {
    this.#tellBroker({
      state: 'active',
      owner: `token-of-${who}`,
      lockUntilMs: this.#nowMs + 1_000,
      due: { kind: 'unknown' },
      deliveries: (this.#broker.deliveries ?? 0) + 1,
      messages: 1,
    });
    return this.looks();
  }

  progress(percent: number, who: Who = this.#worker): this {
    return this.row({ progress: percent }, who);
  }

  /** The worker brings the job to its end and acknowledges it. */
  completed(who: Who = this.#worker): this {
    return this.#ends({ status: 'completed', progress: 100, completedAt: this.#timestamp() }, who);
  }

  /** The broker counts the message as finished. */
  acks(): this {
    return this.broker({
      state: 'ended',
      owner: null,
      lockUntilMs: null,
      due: { kind: 'never' },
      messages: 0,
    });
  }

  failed(error = 'no file could be read', who: Who = this.#worker): this {
    return this.#ends({ status: 'failed', error, completedAt: this.#timestamp() }, who);
  }

  cancelled(who: Who = this.#worker): this {
    return this.#ends({ status: 'cancelled', completedAt: this.#timestamp() }, who);
  }

  /** The harness (or a person, who is asked to) restarts worker 1. */
  strike(
    signal: 'SIGKILL' | 'SIGTERM' = this.#options.polite === true ? 'SIGTERM' : 'SIGKILL',
    reach: Reach = 'tree',
  ): this {
    this.event({
      kind: 'worker:processes',
      incarnation: 1,
      mainPid: 4001,
      processes: [processOf(4001)],
    });
    this.looks();
    const by = this.#options.restartBy ?? 'auto';
    if (by === 'operator') {
      const main = processOf(4001);
      this.event({
        kind: 'holder:identified',
        job: JOBS[this.#role],
        connection: this.#connection(1),
        pid: main.pid,
        main,
      });
      return this.event({ kind: 'operator:asked', attempt: 1 });
    }
    return this.event({
      kind: 'fault:injected',
      fault:
        by === 'command' ? 'docker stop worker' : `${signal} (${signal === 'SIGKILL' ? 'tree' : 'process'})`,
      incarnation: 1,
      signal: by === 'command' ? null : signal,
      reach: by === 'command' ? null : reach,
      pids: [4001],
    });
  }

  /** The old worker is proved gone; row and broker are looked at. */
  gone(
    proof: 'processes' | 'connections' = 'processes',
    connectionsGone = this.#options.pooled !== true,
  ): this {
    this.event({ kind: 'worker:gone', incarnation: 1, proof, connectionsGone });
    this.reads();
    return this.looks();
  }

  starts(incarnation: number): this {
    this.event({
      kind: 'worker:started',
      incarnation,
      by: this.#options.restartBy ?? 'auto',
      pid: 4000 + incarnation,
      command: 'node worker.js',
    });
    this.#begunMs.set(String(incarnation), this.#nowMs);
    return this;
  }

  ready(incarnation: number): this {
    return this.event({ kind: 'worker:ready', incarnation, by: 'connection' });
  }

  exits(incarnation: number, exitCode: number, lastLine: string | null = null): this {
    return this.event({
      kind: 'worker:exited',
      incarnation,
      exitCode,
      signal: null,
      expected: false,
      lastLine,
    });
  }

  /** A write to the row. Under polling it is seen without its writer. */
  row(changes: Partial<RowValues> & { readonly state?: JobState }, who: Who, transaction?: string): this {
    const before = this.#rows.get(JOBS[this.#role]);
    const status = changes.status ?? before?.status ?? 'pending';
    const values: RowValues = {
      ...before,
      ...changes,
      status,
      state: changes.state ?? stateOf(status),
      digest: `digest-${this.events.length}`,
    };
    this.#rows.set(JOBS[this.#role], values);
    return this.#version(before === undefined ? 'insert' : 'update', values, who, transaction);
  }

  /** The row without the named columns, as a table has it that lacks them. */
  without(...columns: readonly (keyof RowValues)[]): this {
    const values = this.#rows.get(JOBS[this.#role]);
    if (values === undefined) throw new Error('there is no row yet');
    const left = Object.entries(values).filter(([column]) => !columns.some((name) => name === column));
    this.#rows.set(JOBS[this.#role], Object.fromEntries(left) as unknown as RowValues);
    return this;
  }

  deletes(who: Who, transaction?: string): this {
    return this.#version('delete', null, who, transaction);
  }

  /** What the broker shows from now on, and a look at it. */
  broker(changes: Partial<BrokerState>): this {
    this.#tellBroker(changes);
    return this.looks();
  }

  /** Of the subject alone: nobody asks the broker about the others. */
  looks(): this {
    if (this.#options.broker === false || this.#role !== 'subject') return this;
    return this.event({ kind: 'broker:snapshot', job: JOBS[this.#role], role: this.#role, ...this.#broker });
  }

  reads(): this {
    return this.event({
      kind: 'row:version',
      job: JOBS[this.#role],
      role: this.#role,
      source: 'read',
      operation: 'update',
      values: this.#rows.get(JOBS[this.#role]) ?? null,
      databaseAtMs: this.#databaseMs(this.#nowMs),
    });
  }

  /** How often the effect of each of the subject's files is there, in their order. */
  effects(...counts: readonly number[]): this {
    const created = this.events.find((event) => event.kind === 'job:created' && event.role === 'subject');
    const files = created?.kind === 'job:created' ? created.files : [];
    const effects = files.map((item, index) => ({ item, count: counts[index] ?? 0 }));
    return this.event({
      kind: 'effects:counted',
      job: JOB,
      role: 'subject',
      source: 'query',
      effects: effects.filter(({ count }) => count > 0),
    });
  }

  /** The whole wait was over and nothing came. */
  timesOut(): this {
    this.wait(120_000);
    return this.event({ kind: 'timeout:reached', timeout: 'terminal', afterMs: 120_000 }).looks();
  }

  /** The run's own end: settled, counted, compared. */
  end(): History {
    this.of('subject');
    const created = this.events.find((event) => event.kind === 'job:created' && event.role === 'subject');
    this.event({ kind: 'settle:started' }).looks();
    this.event({ kind: 'settle:ended', reason: 'broker-empty', durationMs: 500 });
    const strangers = this.events.flatMap((event) =>
      event.kind === 'row:stranger' ? [{ id: event.id, files: event.files }] : [],
    );
    this.event({
      kind: 'rows:counted',
      job: JOB,
      role: 'subject',
      rows: [{ id: JOB, files: created?.kind === 'job:created' ? created.files : [] }, ...strangers],
    });
    const versions = this.events.filter((event) => event.kind === 'row:version').length;
    this.event({ kind: 'observer:checked', job: JOB, complete: true, versions });
    this.event({ kind: 'run:ended' });
    return this.history();
  }

  /** As far as it has come. */
  history(): History {
    return createHistory([...this.events]);
  }

  #ends(changes: Partial<RowValues>, who: Who): this {
    return this.row(changes, who).acks();
  }

  /** What a pick-up writes into the row beside its status. */
  #claim(who: Who, before: RowValues | undefined): Partial<RowValues> {
    if (this.#options.queue !== 'none') return { taskId: `task-of-${who}` };
    const attempts = (before?.attempts ?? 0) + 1;
    const now = this.#timestamp();
    return { owner: `token-of-${who}-${attempts}`, leaseUntil: `${now} + 1 s`, heartbeatAt: now, attempts };
  }

  /** One broker, and in it the subject's message. */
  #tellBroker(changes: Partial<BrokerState>): void {
    if (this.#role === 'subject') this.#broker = this.#shaped({ ...this.#broker, ...changes });
  }

  #shaped(state: BrokerState): BrokerState {
    switch (this.#options.queue ?? 'bullmq') {
      case 'bullmq':
        return state;
      case 'celery':
        // It counts no deliveries, and keeps nothing of what was acknowledged.
        return {
          ...state,
          deliveries: null,
          stalls: null,
          state: state.state === 'ended' ? 'gone' : state.state,
          due: dueOnCelery(state),
        };
      case 'none':
        // The row is the message: its attempts are the deliveries, and there is nothing to count.
        return { ...state, stalls: null, messages: null };
    }
  }

  #version(
    operation: 'insert' | 'update' | 'delete',
    values: RowValues | null,
    who: Who,
    transaction: string | undefined,
  ): this {
    if (values === null) this.#rows.delete(JOBS[this.#role]);
    const source = this.#options.source ?? 'trigger';
    return this.event({
      kind: 'row:version',
      job: JOBS[this.#role],
      role: this.#role,
      source,
      operation,
      values,
      databaseAtMs: this.#databaseMs(this.#nowMs + STEP_MS),
      ...(source === 'poll' ? {} : { writer: this.#writer(who, transaction) }),
    });
  }

  #writer(who: Who, transaction: string | undefined): Writer {
    this.#transactions += 1;
    const named = typeof who === 'number' && this.#options.named !== false;
    return {
      transactionId: transaction ?? String(this.#transactions),
      ...this.#backend(who),
      applicationName: named ? `verify-restart#${who}` : typeof who === 'number' ? 'my-worker' : who,
      clientAddress: '127.0.0.1',
      clientPort: 50_000,
    };
  }

  /** One connection for each writer, begun when its worker started, else when it first writes. */
  #backend(who: Who): { readonly backendPid: number; readonly backendStartMs: number } {
    const key = String(who);
    const begunMs = this.#begunMs.get(key) ?? this.#nowMs;
    this.#begunMs.set(key, begunMs);
    const backendPid = typeof who === 'number' ? 7000 + who : 7900 + who.length;
    return { backendPid, backendStartMs: this.#databaseMs(begunMs + 5) };
  }

  #connection(who: Who): string {
    return connectionOf(this.#backend(who));
  }

  #databaseMs(atMs: number): number {
    return Date.parse(STARTED_AT) + atMs + CLOCK_OFFSET_MS;
  }

  #timestamp(): string {
    return new Date(this.#databaseMs(this.#nowMs)).toISOString().replace('Z', '+00:00');
  }
}

function nothing(): BrokerState {
  return {
    state: 'gone',
    owner: null,
    lockUntilMs: null,
    due: { kind: 'never' },
    deliveries: null,
    stalls: null,
    failedReason: null,
    messages: 0,
  };
}

/** What a worker holds is handed out at the next boot of one; what was acknowledged never comes back. */
function dueOnCelery({ state, due }: BrokerState): BrokerState['due'] {
  if (state === 'active') return { kind: 'next-boot' };
  const over = state === 'gone' || state === 'ended';
  // A due time stands for what the task has sent on.
  return over && due.kind !== 'at' ? { kind: 'never' } : due;
}

function stateOf(status: string): JobState {
  switch (status) {
    case 'pending':
    case 'processing':
    case 'completed':
    case 'failed':
    case 'cancelled':
      return status;
    case 'retrying':
      return 'processing';
    default:
      return 'unknown';
  }
}

/** A worker's process that is its group's and session's first. */
export function processOf(pid: number) {
  return { pid, parentPid: 1, groupId: pid, sessionId: pid, startToken: `${pid}`, command: 'node worker.js' };
}

/** A job of which worker 1 has done the first item. */
export function inFlight(options: RunOptions = {}): RunBuilder {
  return aRun(options).job().submitted().picksUp(1).progress(20);
}

/** The same, struck: worker 1 is gone and worker 2 is there. */
export function restarted(options: RunOptions = {}): RunBuilder {
  return inFlight(options).strike().gone().starts(2).ready(2);
}

/** A run in which all is well. */
export function handedOver(options: RunOptions = {}): RunBuilder {
  return restarted(options).picksUp(2).progress(40).completed();
}
