/**
 * The settings of a run, complete: what `load.ts` makes of flags, environment, config file and defaults, in that
 * order of precedence. Everything behind it reads this value and nothing else of the outside.
 */
import type { CriterionLevel } from '../core/event.ts';

/** Every role a column of the job table can have. */
export const COLUMN_ROLES = [
  'id',
  'status',
  'taskId',
  'progress',
  'startedAt',
  'completedAt',
  'createdAt',
  'retryCount',
  'maxRetries',
  'lastRetryAt',
  'error',
  'files',
  'options',
  'results',
  'owner',
  'leaseUntil',
  'heartbeatAt',
  'attempts',
] as const;
export type ColumnRole = (typeof COLUMN_ROLES)[number];

/** The column of each role; `null`: the table has none. */
export type ColumnMapping = Readonly<Record<ColumnRole, string | null>>;

/** Which of the table's statuses mean what. */
export type StatusMapping = Readonly<
  Record<'pending' | 'processing' | 'completed' | 'failed' | 'cancelled', readonly string[]>
>;

export type QueueKind = 'bullmq' | 'celery' | 'http' | 'sql' | 'command' | 'none';
export type QueueBackend = 'redis' | 'postgres';

/** What a payload template is given. */
export interface PayloadJob {
  readonly id: string;
  readonly filePaths: readonly string[];
  readonly taskId: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface DatabaseSettings {
  /** With credentials: never to be printed or recorded. `null`: none given. */
  readonly url: string | null;
}

export interface JobsSettings {
  /** `schema.table` or `table`. */
  readonly table: string;
  readonly columns: ColumnMapping;
  /** Roles whose column was named by the user: missing ones are an error, missing defaults are not. */
  readonly namedColumns: readonly ColumnRole[];
  readonly statuses: StatusMapping;
  /** Further columns of the test row, by column name. */
  readonly insert: Readonly<Record<string, unknown>>;
  /** The table that rows are moved to when their job has ended; `null`: they stay. */
  readonly archive: string | null;
}

export interface QueueSettings {
  readonly kind: QueueKind;
  /** For bullmq. */
  readonly backend: QueueBackend;
  /** With credentials: never to be printed or recorded. For bullmq on postgres the database's own URL by default. */
  readonly url: string | null;
  readonly name: string;
  readonly task: string;
  readonly payload: (job: PayloadJob) => unknown;
  /** BullMQ's key prefix on Redis (`bull` by default); kombu's `global_keyprefix` (none by default). */
  readonly prefix: string;
  /** BullMQ's schema on PostgreSQL. */
  readonly schema: string;
  /** The calls of the API; only for the kind `http`. */
  readonly http?: HttpSettings;
}

/** Roles that the answer of an API's status call can show. */
export const STATUS_ROLES = [
  'status',
  'taskId',
  'progress',
  'startedAt',
  'completedAt',
  'createdAt',
  'retryCount',
  'maxRetries',
  'lastRetryAt',
  'error',
] as const satisfies readonly ColumnRole[];
export type StatusRole = (typeof STATUS_ROLES)[number];

/**
 * How jobs are submitted to an HTTP API, and what it tells of them. A path is appended to the base URL (`queue.url`),
 * or is a URL of its own. `{id}` in a path stands for the job's id.
 */
export interface HttpSettings {
  /** The bearer token. Secret; `null`: none given. */
  readonly token: string | null;
  /** Sent with every call to the API; values may be secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** A call that gives the bearer token. */
  readonly login: {
    readonly path: string;
    /** Secrets. */
    readonly body: Readonly<Record<string, unknown>>;
    readonly encoding: 'json' | 'form';
    /** JSON path of the token in the answer. */
    readonly token: string;
  } | null;
  readonly submit: {
    readonly method: 'POST' | 'PUT';
    readonly path: string;
    readonly filesField: string;
    /** Further fields of the form. */
    readonly fields: Readonly<Record<string, string>>;
    /** JSON paths in the answer. */
    readonly jobId: string;
    readonly taskId: string | null;
  };
  readonly status: {
    readonly path: string;
    /** JSON paths in the answer. */
    readonly values: Readonly<Partial<Record<StatusRole, string>>>;
    /** Roles whose path was named by the user: where nothing is found there, it is an error. */
    readonly namedValues: readonly StatusRole[];
  } | null;
  /** A call that lists jobs with the files they were made of, the latest among them. */
  readonly list: {
    readonly path: string;
    /** JSON path of the jobs in the answer, and of id and file names in each of them. */
    readonly jobs: string;
    readonly id: string;
    readonly files: string;
  } | null;
  /** A call that removes a job. */
  readonly remove: { readonly method: 'DELETE' | 'POST'; readonly path: string } | null;
  readonly health: string | null;
  /** The user named it: then it must be there. */
  readonly healthNamed: boolean;
  /** A path that answers GET only to those who have a valid token. `null`: the status call of a job that is not there. */
  readonly probe: string | null;
}

export interface WorkerSettings {
  /** The shell command that starts the worker. */
  readonly command: string | null;
  readonly stopCommand: string | null;
  readonly startCommand: string | null;
  readonly replicas: number;
  /** `{incarnation}` in a value stands for the number of the worker's life. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. */
  readonly cwd: string;
  readonly readyPattern: RegExp | null;
  readonly stopGraceMs: number;
}

/** Steps that a scenario is made of. */
export type ScenarioStep =
  | {
      readonly stop: 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGQUIT';
      readonly reach: 'tree' | 'group' | 'process' | 'child';
      readonly graceMs: number | null;
    }
  | { readonly waitMs: number }
  | { readonly start: true };

export type StrikeAt =
  | { readonly kind: 'processing' }
  | { readonly kind: 'progress' }
  | { readonly kind: 'progress-at'; readonly percent: number }
  | { readonly kind: 'after-processing'; readonly delayMs: number }
  | { readonly kind: 'pending' }
  | { readonly kind: 'retrying' };

export const REPORTER_NAMES = ['console', 'json', 'junit', 'github', 'markdown', 'html', 'trace'] as const;
export type ReporterName = (typeof REPORTER_NAMES)[number];

export interface ReporterSetting {
  readonly name: ReporterName;
  /** `null`: standard output. */
  readonly path: string | null;
}

export interface Settings {
  readonly database: DatabaseSettings;
  readonly jobs: JobsSettings;
  readonly queue: QueueSettings;
  readonly worker: WorkerSettings;
  readonly effectsSql: string | null;
  /** How long the worker waits before retry n: `baseMs * factor ** n`. `null`: not told, so not judged. */
  readonly backoff: { readonly baseMs: number; readonly factor: number } | null;
  readonly criteria: Readonly<Record<string, CriterionLevel>>;
  /** User-made scenarios by name. */
  readonly scenarios: Readonly<Record<string, readonly ScenarioStep[]>>;
  readonly autoRestart: boolean;
  readonly scenario: string;
  readonly strikeAt: StrikeAt;
  readonly files: number;
  readonly fileMode: 'valid' | 'missing';
  readonly processingTimeoutMs: number;
  readonly terminalTimeoutMs: number;
  /** `auto`: until the broker keeps nothing of the job, plus 500 ms. */
  readonly settle: 'auto' | number;
  readonly witnesses: boolean;
  readonly control: 'auto' | 'always' | 'off';
  readonly observe: 'auto' | 'trigger' | 'poll';
  /** `auto`: on when a person restarts the worker, unless the row carries a lease or heartbeat. */
  readonly hold: 'auto' | 'on' | 'off';
  readonly repeat: number;
  readonly reporters: readonly ReporterSetting[];
  /** Absolute. */
  readonly outputDir: string;
  readonly keep: boolean;
  readonly allowRemote: boolean;
  readonly verbosity: 'quiet' | 'normal' | 'verbose';
  /** Where the settings came from, for the console: the config file's path, or `null`. */
  readonly configFile: string | null;
}
