/**
 * What the harness asks of a queue. One file a kind implements it; `index.ts` lists the kinds.
 *
 * Every method only looks, except `submit` and `purge`: looking must not change what the queue does (no method may
 * start a consumer, run a recovery sweep or restore messages).
 */
import type { StatusMapping } from '../config/settings.ts';
import type { BrokerState, Connection, Leftover } from '../core/event.ts';
import type { Database } from '../jobs/database.ts';
import type { JobTable } from '../jobs/table.ts';

/** A job to hand to the queue. The payload is already built from the configuration's template. */
export interface Submission {
  /** The job table's id of the job, as text. */
  readonly job: string;
  /** The id that the message is to have, where the queue lets the sender choose. */
  readonly messageId: string;
  readonly task: string;
  readonly payload: unknown;
  /** The job's files, for a queue that takes the files themselves. */
  readonly files?: readonly UploadFile[];
}

export interface UploadFile {
  /** Absolute. */
  readonly path: string;
  /** The name that it is sent under. */
  readonly name: string;
}

/**
 * `certain`: the broker confirmed. `uncertain`: the call broke off after it may have taken effect (a time-out, a
 * lost connection); the message may or may not be there. A call that definitely had no effect throws instead.
 */
export interface SubmitOutcome {
  readonly messageId: string;
  readonly certainty: 'certain' | 'uncertain';
  readonly problem?: string;
  readonly remedy?: string;
  /** Where the service makes the row (`Queue.api`): its id. Absent where the answer did not tell it. */
  readonly job?: string;
}

/** A message that was submitted, by the names that find it again. */
export interface MessageRef {
  readonly job: string;
  readonly messageId: string;
}

/** What the API of a service shows of jobs that it made itself. */
export interface JobApi {
  /** The call that shows a job, for people: `GET /extraction/jobs/{id}`; `null`: there is none. */
  readonly statusCall: string | null;
  /** Whether jobs can be removed by a call; else `purge` throws. */
  readonly removes: boolean;
  /**
   * The values of a job by role, as the API gives them, with a `digest` of them; `null`: it knows no such job.
   * @throws UserError `environment` when the API does not answer, or with something that cannot be read.
   */
  read(job: string): Promise<Readonly<Record<string, unknown>> | null>;
  /** The jobs that it lists whose files' names contain one of the texts, with these names. `null`: it does not list jobs. */
  carrying(texts: readonly string[]): Promise<JobList | null>;
}

export interface JobList {
  readonly jobs: readonly { readonly id: string; readonly files: readonly string[] }[];
  /** The answer says that there are more than it has. */
  readonly isPage: boolean;
}

export interface BrokerInfo {
  /** e.g. `Redis 7.0.15` or `PostgreSQL 18.4`. */
  readonly server: string;
  /** Host and port, or a path; no credentials. */
  readonly address: string;
  /** Things worth a warning, e.g. an eviction policy that drops keys. Sentences. */
  readonly warnings: readonly string[];
}

/** A further check of the preflight, as it is reported. */
export interface QueueCheck {
  readonly check: string;
  readonly status: 'ok' | 'warning' | 'skipped';
  readonly text: string;
  readonly remedy?: string;
}

/** How the queue takes a job back from a worker that died. Times in ms; `null` where nothing tells. */
export interface RecoveryEstimate {
  /** From the moment a replacement is ready until the job is handed out again, at most. */
  readonly atMostMs: number | null;
  /** What it rests on, a sentence: "the dead worker's lock ends in 0.9 s, stalled jobs are looked for every 0.5 s". */
  readonly because: string;
  /** It rests on a default of the library: nothing in the queue bears witness that anybody looks for jobs of the dead. */
  readonly guessed?: boolean;
}

/** Turns times of the outside world into `atMs` of the run. */
export interface RunClock {
  /** Integer ms since the run began, monotonic. */
  now(): number;
}

/** What a queue is given besides its settings. */
export interface QueueContext {
  /** The job table, for a table that is its own queue. */
  readonly jobs?: { readonly database: Database; readonly table: JobTable; readonly statuses: StatusMapping };
  /** With credentials: never to be printed or recorded. The job table's database, where some queues live too. */
  readonly databaseUrl: string | null;
  readonly clock: RunClock;
  /** How long one request to the broker may take; 10,000 by default. */
  readonly requestTimeoutMs?: number;
  /** Is told every secret that the queue comes by itself (a token of a login), so that it can be masked everywhere. */
  readonly onSecret?: (secret: string) => void;
}

export interface Queue extends AsyncDisposable {
  /** The kind as in `--queue`, e.g. `bullmq`. */
  readonly kind: string;
  /** For people, e.g. `BullMQ on PostgreSQL`. */
  readonly title: string;
  readonly backend: string | null;
  readonly queueName: string;
  /** Lines of a worker's output that tell what became of a job; those that match are recorded. */
  readonly workerLines?: readonly RegExp[];
  /** There where the service behind the queue makes the job's row itself: then no row may be inserted before. */
  readonly api?: JobApi;

  /**
   * Connects and asks for the server's version.
   * @throws UserError `environment` with codes `broker-refused`, `broker-auth`, `broker-unknown-host`, `broker-timeout`,
   *   `broker-schema-missing`, …: clear words and a remedy, no secret.
   */
  ping(): Promise<BrokerInfo>;

  /**
   * What the workers that are connected say of themselves. Empty where they cannot be asked.
   * @throws UserError `environment` for what would make the run fail, e.g. a task that none of them knows.
   */
  workerChecks?(): Promise<readonly QueueCheck[]>;

  /**
   * Further checks of the preflight, without side effects.
   * @throws UserError `environment` for what would make the run fail.
   */
  checks?(): Promise<readonly QueueCheck[]>;

  /** The consumers that are connected to this queue now. `null`: the queue cannot tell. */
  consumers(): Promise<readonly Connection[] | null>;

  /** Where `consumers` cannot tell: clients that look like consumers. Others may be there. */
  likelyConsumers?(): Promise<readonly Connection[]>;

  /** @throws UserError when the message is definitely not there. */
  submit(submission: Submission): Promise<SubmitOutcome>;

  /**
   * Where the message is now. `null`: the queue cannot tell. Never throws for a message that is not there.
   * @throws UserError `environment` when the broker does not answer.
   */
  inspect(message: MessageRef): Promise<BrokerState | null>;

  /**
   * What is kept of the job besides its message: alarms, repeating entries, locks. Absent where a kind has no such
   * things, or cannot look for them.
   * @throws UserError `environment` when the broker does not answer.
   */
  leftovers?(message: MessageRef): Promise<readonly Leftover[]>;

  /**
   * How long the queue will take to hand the job out again if its holder is gone, judged from the broker's own
   * state. `null`: the queue cannot tell.
   */
  estimateRecovery(message: MessageRef): Promise<RecoveryEstimate | null>;

  /**
   * Removes every trace of the message, whatever state it is in. Removing what is not there is no error. A worker
   * that holds the job is not stopped by it and may write a late event: purge after the end, or once more.
   */
  purge(message: MessageRef): Promise<void>;

  /** Names of the queue's bookkeeping entries (keys, rows) that do not exist yet and that a run would bring about. */
  absentKeys(): Promise<readonly string[]>;

  /** Removes those of `absent` that exist now and hold nothing of anybody else. Called when no worker of ours lives. */
  removeKeys(absent: readonly string[]): Promise<void>;
}
