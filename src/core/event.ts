/**
 * The words of a run, and the events that are recorded of it.
 *
 * - *target*: what is verified: a *job table*, a *queue*, a *worker*.
 * - *job*: a row and its message under observation. *item*: one file of a bulk job. *effect*: what processing an item leaves behind.
 * - *subject*, *witness*, *control*: the roles of a job in a run.
 * - *incarnation*: one life of a worker, numbered from 1.
 * - *due*: when an undelivered job will be handed out again.
 * - *fault*: one thing done to the target. *scenario*: a named sequence of faults.
 * - *event*: one immutable record. *journal*: the file being appended. *history*: the value that criteria read.
 *
 * Every event is plain JSON. Times named `atMs` are integer milliseconds since the run began, on the harness's
 * monotonic clock; the wall-clock time of that zero is in `run:started` (`startedAt`). Times of the database are
 * kept apart (`databaseAtMs`, epoch milliseconds by the server's clock) and are related to the former only by the
 * offset measured in `clock:measured`.
 */

export type JobRole = 'subject' | 'witness-ended' | 'witness-waiting' | 'control';

/** What a status of the table means, whatever it is called there. `unknown`: a status that no mapping names. */
export type JobState = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled' | 'unknown';

export type RestartMode = 'auto' | 'operator' | 'command';

/**
 * The columns of a job by role; a role that the table lacks is absent. Timestamps are the database's own text in
 * ISO 8601 (with `+00:00` where the column has a zone, without any where it has none), so that equality is exact.
 */
export interface RowValues {
  readonly status: string | null;
  readonly state: JobState;
  readonly taskId?: string | null;
  /** 0 to 100. */
  readonly progress?: number | null;
  readonly startedAt?: string | null;
  readonly completedAt?: string | null;
  readonly createdAt?: string | null;
  readonly retryCount?: number | null;
  readonly maxRetries?: number | null;
  readonly lastRetryAt?: string | null;
  /** At most 2,000 characters. */
  readonly error?: string | null;
  readonly owner?: string | null;
  readonly leaseUntil?: string | null;
  readonly heartbeatAt?: string | null;
  readonly attempts?: number | null;
  /** md5 of the whole row as text: two versions with one digest are equal in every column. */
  readonly digest: string;
}

/** Who wrote a row version, as the server saw it. */
export interface Writer {
  readonly transactionId: string;
  readonly backendPid: number;
  /**
   * Epoch milliseconds by the server's clock; with `backendPid` it names one connection for good. `null`: hidden from
   * the harness's role.
   */
  readonly backendStartMs: number | null;
  readonly applicationName: string;
  /** `null` for a connection over a Unix socket. */
  readonly clientAddress: string | null;
  readonly clientPort: number | null;
}

/** One process as the operating system shows it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** Ticks or text that differ when the pid is used again; equal for one process for its whole life. */
  readonly startToken: string;
  /** The command line, secrets redacted. */
  readonly command: string;
  /** It still runs its parent's program, by a fork without an exec (a prefork child). Absent where that can't be told. */
  readonly forked?: boolean;
}

/** One connection of a client to the database or the broker. */
export interface Connection {
  /** Unique for the life of the server: backend pid and start, or the broker's client id. */
  readonly id: string;
  readonly name: string;
  readonly address: string | null;
  readonly port: number | null;
  /** The process at the other end, where it is on this machine and could be found out. */
  readonly pid: number | null;
}

/**
 * When an undelivered job will be handed out again, as `atMs` of the run: by itself at a time, at the next start of
 * a worker, never; `unknown` where the broker cannot tell.
 */
export type Due =
  | { readonly kind: 'now' }
  | { readonly kind: 'at'; readonly atMs: number }
  | { readonly kind: 'next-boot' }
  | { readonly kind: 'never' }
  | { readonly kind: 'unknown' };

/** Where a message is, in one form for all queues. `ended`: kept by the broker as finished. `gone`: not there. */
export type MessageState = 'waiting' | 'active' | 'delayed' | 'ended' | 'dead' | 'gone' | 'unknown';

export interface BrokerState {
  readonly state: MessageState;
  /** Whoever holds it, as the broker names it (a lock token, a worker's name). */
  readonly owner: string | null;
  /** When the holder's lock or the visibility time ends, as `atMs` of the run. */
  readonly lockUntilMs: number | null;
  readonly due: Due;
  /** How often it was handed out. `null`: the broker does not count. */
  readonly deliveries: number | null;
  /** How often it was taken back from a holder that had gone silent. */
  readonly stalls: number | null;
  readonly failedReason: string | null;
  /** Messages of this job that the broker keeps, in whatever state, finished ones left out. `null`: not counted. */
  readonly messages: number | null;
  /** What decides how a job is handed out again, as far as the queue or its workers have told. */
  readonly facts?: QueueFacts;
}

/** A thing in the broker that is about a job and is not its message. */
export interface Leftover {
  /** `delayed`: a message that is still to come. `repeating`: one that comes again and again. `lock`: a key that names itself so and never expires. */
  readonly kind: 'delayed' | 'repeating' | 'lock';
  readonly name: string;
  /** When it was set, as `atMs` of the run; `null`: it does not tell. */
  readonly setAtMs: number | null;
  /** When it comes, as `atMs` of the run. */
  readonly dueAtMs: number | null;
}

/** By name, e.g. `acksLate`, `visibilityTimeoutMs`. What is not known is absent. */
export type QueueFacts = Readonly<Record<string, string | number | boolean>>;

export type SignalName = 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGSTOP' | 'SIGCONT';

/** How far a signal goes: every process of the tree, the main process's group, the main process alone, its children. */
export type Reach = 'tree' | 'group' | 'process' | 'child';

export type CriterionLevel = 'required' | 'advisory' | 'off';

export interface TargetSummary {
  readonly table: string;
  readonly queue: string;
  readonly backend: string | null;
  readonly queueName: string;
  readonly task: string;
  readonly worker: string;
  /** Where it is, without credentials; absent where the run starts one of its own. */
  readonly database?: string;
  readonly broker?: string;
}

/** What happened, without its time. One line of doc for each. */
export type EventBody =
  /** The run began; what it is set to do. */
  | {
      readonly kind: 'run:started';
      readonly runId: string;
      readonly toolVersion: string;
      /** ISO 8601 wall-clock time of `atMs` 0. */
      readonly startedAt: string;
      readonly scenario: string;
      /** The scenario is a polite one: the old worker may finish the job before it leaves (a drain). */
      readonly polite: boolean;
      readonly strikeAt: string;
      readonly restartBy: RestartMode;
      readonly target: TargetSummary;
      readonly files: number;
      readonly fileMode: 'valid' | 'missing';
      readonly terminalTimeoutMs: number;
      /** The wait before retry n is `baseMs * factor ** n`, as the settings say; `null`: they do not. */
      readonly backoff: { readonly baseMs: number; readonly factor: number } | null;
      readonly levels: Readonly<Record<string, CriterionLevel>>;
      readonly journal: string;
      /** The command line that began it, credentials masked; absent where a program called the library. */
      readonly command?: string;
      /** The process that runs it: as long as it lives, nobody else cleans up. */
      readonly harness?: { readonly pid: number; readonly startToken: string };
    }
  /** A step of the seven began. */
  | { readonly kind: 'step:started'; readonly step: Step }
  | { readonly kind: 'step:ended'; readonly step: Step; readonly ok: boolean }
  /** One check of the preflight. */
  | {
      readonly kind: 'preflight:checked';
      readonly check: string;
      readonly status: 'ok' | 'warning' | 'skipped' | 'failed';
      readonly text: string;
      readonly remedy?: string;
    }
  /** How rows are observed, and why not better. */
  | {
      readonly kind: 'observer:started';
      readonly source: 'trigger' | 'poll';
      readonly reason?: string;
      /** A pooler stands in between: a connection does not tell the client. */
      readonly pooled: boolean;
    }
  /** The last recorded version was compared with the row itself. */
  | {
      readonly kind: 'observer:checked';
      readonly job: string;
      readonly complete: boolean;
      readonly versions: number;
    }
  /** database − harness, in ms; the true offset lies within ± `uncertaintyMs`. */
  | { readonly kind: 'clock:measured'; readonly offsetMs: number; readonly uncertaintyMs: number }
  /** A job row was made by the harness, or by the service for it. */
  | {
      readonly kind: 'job:created';
      readonly job: string;
      readonly role: JobRole;
      /** As written into the row. */
      readonly status: string;
      readonly files: readonly string[];
      /** The service made the row, and it could be followed only once the API had told its id. */
      readonly followedLate?: boolean;
      /** The harness wrote created_at into a column without a zone, and cannot know in which zone the service would. */
      readonly createdAtGuessed?: boolean;
    }
  /** A job was submitted. `uncertain`: the broker's answer never came, the message may or may not be there. */
  | {
      readonly kind: 'job:submitted';
      readonly job: string;
      readonly role: JobRole;
      readonly messageId: string;
      readonly task: string;
      readonly certainty: 'certain' | 'uncertain';
      readonly problem?: string;
    }
  /** One version of a row: by the trigger (every one), by polling (those that were seen), or one deliberate read. */
  | {
      readonly kind: 'row:version';
      readonly job: string;
      readonly role: JobRole;
      readonly source: 'trigger' | 'poll' | 'read';
      readonly operation: 'insert' | 'update' | 'delete';
      /** `null` for a delete, and for a read that found no row. */
      readonly values: RowValues | null;
      /** Epoch ms by the server's clock: when the statement ran (trigger) or was answered (poll, read). */
      readonly databaseAtMs: number;
      readonly writer?: Writer;
      /** Under polling: how long before this look the last one was, which saw the row as it was before. */
      readonly gapMs?: number;
      /** The write waited for the harness's own hold and was let through by its release. */
      readonly artefactOfHold?: boolean;
    }
  /** A row that is not in the job table any more was found in the archive: that is where ended jobs go. */
  | {
      readonly kind: 'row:archived';
      readonly job: string;
      readonly role: JobRole;
      readonly values: RowValues;
    }
  /** A row that the harness did not make carries the job's id or files: a duplicate or a child. */
  | {
      readonly kind: 'row:stranger';
      readonly job: string;
      readonly id: string;
      readonly files: readonly string[];
    }
  /** The rows that carry any of the job's files, the job's own included, with the files they carry. */
  | {
      readonly kind: 'rows:counted';
      readonly job: string;
      readonly role: JobRole;
      readonly rows: readonly { readonly id: string; readonly files: readonly string[] }[];
    }
  /** The rows could not be counted, because of what the run is given to see. */
  | { readonly kind: 'rows:not-counted'; readonly job: string; readonly reason: string }
  /** The broker was asked about a job. */
  | ({ readonly kind: 'broker:snapshot'; readonly job: string; readonly role: JobRole } & BrokerState)
  /** What the broker still kept of the job besides its message, when it had settled. */
  | {
      readonly kind: 'broker:leftovers';
      readonly job: string;
      readonly role: JobRole;
      readonly leftovers: readonly Leftover[];
    }
  /** The run is given nothing by which it could ask the broker. */
  | { readonly kind: 'broker:hidden'; readonly reason: string }
  /** Who is connected now. */
  | {
      readonly kind: 'presence:snapshot';
      readonly reason: string;
      readonly database: readonly Connection[];
      readonly broker: readonly Connection[];
    }
  /** The process that holds the job was found out. `main`: the process to kill, seen from the holder upward. */
  | {
      readonly kind: 'holder:identified';
      readonly job: string;
      readonly connection: string;
      readonly pid: number | null;
      readonly main: ProcessInfo | null;
    }
  /** A worker was started (by the harness), or a new one was seen (an operator's). */
  | {
      readonly kind: 'worker:started';
      readonly incarnation: number;
      readonly by: RestartMode;
      readonly pid: number | null;
      readonly command: string | null;
    }
  | {
      readonly kind: 'worker:ready';
      readonly incarnation: number;
      /** `parent`: the parent that lived on has started others in the place of its children. */
      readonly by: 'output' | 'connection' | 'job' | 'parent';
    }
  /** The processes of a worker, recorded before the strike. `mainPid`: the worker itself, seen through its wrappers. */
  | {
      readonly kind: 'worker:processes';
      readonly incarnation: number;
      readonly mainPid: number;
      readonly processes: readonly ProcessInfo[];
    }
  /** The started command ended. */
  | {
      readonly kind: 'worker:exited';
      readonly incarnation: number;
      readonly exitCode: number | null;
      readonly signal: string | null;
      readonly expected: boolean;
      /** The last line of its output, redacted. */
      readonly lastLine: string | null;
    }
  /** Every process of the incarnation is gone, and so are its database connections (where they could be seen). */
  | {
      readonly kind: 'worker:gone';
      readonly incarnation: number;
      readonly proof: 'processes' | 'connections';
      readonly connectionsGone: boolean;
    }
  /** The incarnation should be gone and is not. */
  | {
      readonly kind: 'worker:still-there';
      readonly incarnation: number;
      readonly pids: readonly number[];
      readonly connections: readonly string[];
    }
  /** The moment to strike came. */
  | { readonly kind: 'strike:due'; readonly moment: string; readonly reason: string }
  /** A fault was injected by the harness or its commands. `pids`: whom the signal was sent to. */
  | {
      readonly kind: 'fault:injected';
      readonly fault: string;
      readonly incarnation: number;
      readonly signal: SignalName | null;
      readonly reach: Reach | null;
      readonly pids: readonly number[];
    }
  /** The fault was left out on purpose: the self-test against vacuity. */
  | { readonly kind: 'fault:disarmed'; readonly fault: string }
  /** The row is locked by the harness so that the job cannot end before a person acts. */
  | { readonly kind: 'hold:placed'; readonly job: string; readonly backendPid: number }
  | { readonly kind: 'hold:refused'; readonly job: string; readonly reason: string }
  | { readonly kind: 'hold:broken'; readonly job: string; readonly reason: string }
  /** Blocked backends of workers that are gone were ended before the release. */
  | {
      readonly kind: 'hold:released';
      readonly job: string;
      readonly heldMs: number;
      readonly terminatedBackends: readonly number[];
      readonly leftBackends: readonly number[];
    }
  | { readonly kind: 'operator:asked'; readonly attempt: number }
  | { readonly kind: 'operator:answered'; readonly attempt: number; readonly answer: 'done' | 'gave-up' }
  | { readonly kind: 'operator:refuted'; readonly attempt: number; readonly reason: string }
  /** What processing left behind, by item. */
  | {
      readonly kind: 'effects:counted';
      readonly job: string;
      readonly role: JobRole;
      readonly source: 'query' | 'results';
      readonly effects: readonly { readonly item: string; readonly count: number }[];
    }
  /** The terminal time-out was raised because the broker's own recovery takes longer. */
  | {
      readonly kind: 'timeout:raised';
      readonly fromMs: number;
      readonly toMs: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'timeout:reached';
      readonly timeout: 'processing' | 'terminal';
      readonly afterMs: number;
    }
  | { readonly kind: 'settle:started' }
  | {
      readonly kind: 'settle:ended';
      readonly reason: 'broker-empty' | 'time-over' | 'limit';
      readonly durationMs: number;
    }
  /** Something was made that must be removed again. Written before it is made. */
  | { readonly kind: 'made'; readonly thing: Thing }
  | { readonly kind: 'removed'; readonly thing: Thing }
  | { readonly kind: 'kept'; readonly thing: Thing; readonly reason: string }
  /** A thing that the user should know and that decides nothing. */
  | { readonly kind: 'note'; readonly code: string; readonly text: string }
  /** The run was ended from outside, or by an error of the environment or ours. */
  | {
      readonly kind: 'run:aborted';
      readonly reason: 'interrupted' | 'environment' | 'internal';
      readonly text: string;
    }
  | { readonly kind: 'run:ended' };

export type Step = 'preflight' | 'job' | 'trigger' | 'processing' | 'restart' | 'monitor' | 'results';

/** What a run can leave behind, with all that is needed to remove it; never a secret. */
export type Thing =
  | { readonly kind: 'row'; readonly table: string; readonly idColumn: string; readonly id: string }
  | { readonly kind: 'history'; readonly table: string; readonly suffix: string }
  | {
      readonly kind: 'message';
      readonly queue: string;
      readonly queueName: string;
      readonly job: string;
      readonly messageId: string;
    }
  | {
      readonly kind: 'queue-keys';
      readonly queue: string;
      readonly queueName: string;
      readonly absent: readonly string[];
    }
  /** What an API made of files that were sent to it, while its id is not known; `text`: how the files' names begin. */
  | {
      readonly kind: 'upload';
      readonly queue: string;
      readonly queueName: string;
      /** `null` without access to the database. */
      readonly table: string | null;
      readonly filesColumn: string | null;
      readonly text: string;
    }
  | { readonly kind: 'process'; readonly pid: number; readonly startToken: string; readonly marker: string }
  | { readonly kind: 'folder'; readonly path: string };

export type Event = EventBody & { readonly seq: number; readonly atMs: number };

export type EventKind = EventBody['kind'];
export type EventOf<K extends EventKind> = Extract<Event, { readonly kind: K }>;

/** The states in which a job has ended. */
export function isTerminal(state: JobState): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled';
}
