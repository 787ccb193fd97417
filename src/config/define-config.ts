/** The config file, as its author writes it. Every key may be left out; what it then is stands in docs and `--help`. */
import type { CriterionLevel } from '../core/event.ts';
import type { KnownCriterionId } from '../core/criterion-ids.ts';
import type { KnownScenarioName } from '../core/scenario-names.ts';
import type {
  ColumnRole,
  PayloadJob,
  QueueBackend,
  QueueKind,
  ReporterName,
  StatusRole,
} from './settings.ts';

export interface UserConfig {
  readonly database?:
    | {
        /** `postgres://user:password@host:5432/database`; SQLAlchemy's and JDBC's forms are understood too. */
        readonly url?: string | undefined;
      }
    | undefined;

  /** The job table. */
  readonly jobs?:
    | {
        /** `schema.table`. */
        readonly table?: string | undefined;
        /** The column of each role; `null` where the table has none. */
        readonly columns?: { readonly [Role in ColumnRole]?: string | null | undefined } | undefined;
        /** The table's words for each state; case counts for nothing. */
        readonly statuses?:
          | {
              readonly pending?: readonly string[] | undefined;
              readonly processing?: readonly string[] | undefined;
              readonly completed?: readonly string[] | undefined;
              readonly failed?: readonly string[] | undefined;
              readonly cancelled?: readonly string[] | undefined;
            }
          | undefined;
        /** Further columns of the test row, by column name. */
        readonly insert?: Readonly<Record<string, unknown>> | undefined;
        /** The table that a row is moved to when its job has ended, with columns of the same names: `schema.table`. */
        readonly archive?: string | undefined;
      }
    | undefined;

  readonly queue?:
    | ({
        readonly kind?: QueueKind | undefined;
        /** Where BullMQ keeps the queue. */
        readonly backend?: QueueBackend | undefined;
        readonly url?: string | undefined;
        readonly name?: string | undefined;
        /** The name of the job or task that processes a bulk job. */
        readonly task?: string | undefined;
        /**
         * What the message carries. For Celery `{ args, kwargs, headers, priority, countdown, expires }`, each optional,
         * or a list, which is the arguments; by default `{ args: [filePaths, null, options, id] }`.
         */
        readonly payload?: ((job: PayloadJob) => unknown) | undefined;
        /** BullMQ's key prefix on Redis; for Celery kombu's `global_keyprefix`. */
        readonly prefix?: string | undefined;
        /** BullMQ's schema on PostgreSQL. */
        readonly schema?: string | undefined;
      } & UserHttpApi)
    | undefined;

  readonly worker?:
    | {
        /** The shell command that starts the worker. */
        readonly command?: string | undefined;
        /** Instead of `command`, for a worker that something else runs. */
        readonly stopCommand?: string | undefined;
        readonly startCommand?: string | undefined;
        readonly replicas?: number | undefined;
        /** `{incarnation}` in a value stands for the number of the worker's life. */
        readonly env?: Readonly<Record<string, string | undefined>> | undefined;
        /** Relative to the config file. */
        readonly cwd?: string | undefined;
        /** A line of the worker's output that says it is ready. */
        readonly readyPattern?: RegExp | string | undefined;
        /** How long a polite stop may take: `10s`. */
        readonly stopGrace?: string | undefined;
      }
    | undefined;

  /** A query that counts what processing left behind: file and count, with the job's id as `$1`. */
  readonly effects?: { readonly sql?: string | undefined } | undefined;

  /** The worker's own backoff: it waits `baseDelay * factor ** n` before retry n (factor 2 by default). */
  readonly retries?: { readonly baseDelay: string; readonly factor?: number | undefined } | undefined;

  /** `required` decides the verdict, `advisory` is reported only, `off` is not judged. */
  readonly criteria?: { readonly [Id in KnownCriterionId]?: CriterionLevel | undefined } | undefined;

  /** Scenarios of your own, by name. */
  readonly scenarios?: Readonly<Record<string, readonly UserScenarioStep[]>> | undefined;

  readonly autoRestart?: boolean | undefined;
  /** A built-in scenario, one of `scenarios`, or `all`. */
  readonly scenario?: KnownScenarioName | 'all' | (string & {}) | undefined;
  /** `processing`, `progress`, `progress:40%`, a duration since PROCESSING such as `2s`, `pending` or `retrying`. */
  readonly strikeAt?: string | undefined;
  readonly files?: number | undefined;
  readonly fileMode?: 'valid' | 'missing' | undefined;
  readonly processingTimeout?: string | undefined;
  readonly terminalTimeout?: string | undefined;
  /** A duration or `auto`. */
  readonly settle?: string | undefined;
  readonly witnesses?: boolean | undefined;
  readonly control?: 'auto' | 'always' | 'off' | undefined;
  readonly observe?: 'auto' | 'trigger' | 'poll' | undefined;
  readonly hold?: boolean | 'auto' | undefined;
  readonly repeat?: number | undefined;
  /** A name goes to standard output, `name=path` to a file. */
  readonly reporters?: readonly (ReporterName | `${ReporterName}=${string}`)[] | undefined;
  /** Relative to the config file. */
  readonly outputDir?: string | undefined;
  readonly keep?: boolean | undefined;
  readonly allowRemote?: boolean | undefined;
}

/**
 * For `kind: 'http'`. `url` is the base of the API, e.g. `http://127.0.0.1:8000/api/v1`; a path is appended to it, or
 * is a URL of its own. `{id}` stands for the job's id. What is picked out of an answer is named by JSON path (RFC 9535).
 */
interface UserHttpApi {
  /** The bearer token: `process.env.API_TOKEN`. Environment: VERIFY_RESTART_TOKEN. */
  readonly token?: string | undefined;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A call that gives the bearer token. */
  readonly login?:
    | {
        readonly path?: string | undefined;
        readonly body: Readonly<Record<string, unknown>>;
        readonly encoding?: 'json' | 'form' | undefined;
        readonly token?: string | undefined;
      }
    | undefined;
  /** The call that makes a job out of files, as multipart/form-data. */
  readonly submit?:
    | {
        readonly method?: 'POST' | 'PUT' | undefined;
        readonly path?: string | undefined;
        readonly filesField?: string | undefined;
        /** Further fields of the form. */
        readonly fields?: Readonly<Record<string, string>> | undefined;
        readonly jobId?: string | undefined;
        readonly taskId?: string | undefined;
      }
    | undefined;
  /** The call that shows a job, and where in its answer each value is; `null` where the API has none. */
  readonly status?:
    | ({ readonly path?: string | undefined } & { readonly [Role in StatusRole]?: string | undefined })
    | null
    | undefined;
  /** A call that lists jobs with the names of their files: only with it can duplicates be counted without a database. */
  readonly list?:
    | {
        readonly path?: string | undefined;
        readonly jobs?: string | undefined;
        readonly id?: string | undefined;
        readonly files?: string | undefined;
      }
    | undefined;
  /** The call that removes a job; without it the service keeps what it was given. */
  readonly remove?:
    { readonly method?: 'DELETE' | 'POST' | undefined; readonly path?: string | undefined } | undefined;
  readonly health?: string | null | undefined;
  /** A path whose GET needs a valid token and changes nothing. */
  readonly probe?: string | undefined;
}

/** One step: exactly one of `stop`, `wait` and `start`. */
export type UserScenarioStep =
  | {
      readonly stop: 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGQUIT';
      /** How far the signal goes. SIGKILL: `tree`; the others: `process`. */
      readonly reach?: 'tree' | 'group' | 'process' | 'child' | undefined;
      /** How long until SIGKILL follows: `5s`. */
      readonly grace?: string | undefined;
    }
  | { readonly wait: string }
  | { readonly start: true };

/** Gives its argument back; its type makes the editor complete and check the keys. */
export function defineConfig(config: UserConfig): UserConfig {
  return config;
}
