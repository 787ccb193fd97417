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
