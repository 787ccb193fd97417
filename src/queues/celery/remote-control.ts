/**
 * Questions to Celery's workers by its remote control, and what their answers say. The bytes go another way on each
 * broker; the words are the same. (celery/worker/control.py, kombu/pidbox.py.)
 *
 * Never by `celery inspect`: on Redis its client runs a restore of its own when it connects, which hands jobs out
 * that the experiment is waiting for. A question that is published directly touches no message.
 */
import { asRecord } from './message.ts';

export interface Question {
  readonly method: 'ping' | 'registered' | 'conf' | 'stats' | 'active_queues' | 'query_task' | 'scheduled';
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface Answers {
  /** By the worker's node name, e.g. `celery@host`. Two workers of one name overwrite each other here. */
  readonly byHost: ReadonlyMap<string, unknown>;
  /** All that can hear the question have answered it: whom nobody has named is with nobody that can be asked. */
  readonly complete: boolean;
  /** How many answered. */
  readonly replies: number;
}

/** The way to the workers on one broker. */
export interface RemoteControl {
  /**
   * Asks all workers. Resolves as soon as all that can hear it have answered, at the latest after `limitMs`; a worker
   * that is busy (solo) or frozen is missing.
   * @param counts whether a worker, by its node name, may be one of the queue: where the broker only tells how many
   * consume the queue, the answers of others are not counted among theirs
   */
  ask(question: Question, limitMs: number, counts: (host: string) => boolean): Promise<Answers>;
}

/** The body of a question, as kombu's `Mailbox._publish` makes it. */
export function questionBody(
  question: Question,
  ticket: string,
  replyTo: { readonly exchange: string; readonly routingKey: string },
): string {
  return JSON.stringify({
    method: question.method,
    arguments: question.arguments,
    destination: null,
    pattern: null,
    matcher: null,
    ticket,
    reply_to: { exchange: replyTo.exchange, routing_key: replyTo.routingKey },
  });
}

/** What a worker says of itself. */
export interface WorkerFacts {
  readonly host: string;
  readonly pid: number | null;
  /** `prefork`, `solo`, `threads`, …; `null`: not told. */
  readonly pool: string | null;
  /** `null`: not told. */
  readonly queues: readonly string[] | null;
  /** By the task's name; `null`: not told. */
  readonly tasks: ReadonlyMap<string, TaskFacts> | null;
  /** kombu's `visibility_timeout`; `default`: it is not set; `null`: not told. */
  readonly visibilityTimeoutMs: number | 'default' | null;
}

export interface TaskFacts {
  readonly acksLate: boolean | null;
  readonly rejectOnWorkerLost: boolean | null;
}

const ITEMS = ['acks_late', 'reject_on_worker_lost'];

/**
 * @returns the facts of every worker that answered within the time, by its node name. One that is busy may have
 * answered some of the questions: what it has not told is `null`.
 */
export async function askForFacts(
  remote: RemoteControl,
  limitMs: number,
  counts: (host: string) => boolean,
): Promise<ReadonlyMap<string, WorkerFacts>> {
  const ask = (method: Question['method'], given: Question['arguments'] = {}): Promise<Answers> =>
    remote.ask({ method, arguments: given }, limitMs, counts);
  const [stats, registered, queues, conf] = await Promise.all([
    ask('stats'),
    ask('registered', { taskinfoitems: ITEMS }),
    ask('active_queues'),
    ask('conf'),
  ]);
  return new Map(
    [...stats.byHost].map(([host, answer]) => [
      host,
      {
        host,
        ...readStats(answer),
        queues: readQueues(queues.byHost.get(host)),
        tasks: readTasks(registered.byHost.get(host)),
        visibilityTimeoutMs: readVisibilityTimeout(conf.byHost.get(host)),
      },
    ]),
  );
}

/** Whether a worker has answered all of it. */
export function isToldWhole({ queues, tasks, visibilityTimeoutMs }: WorkerFacts): boolean {
  return queues !== null && tasks !== null && visibilityTimeoutMs !== null;
}

/**
 * What the workers of one name have told at two times: a question that was not answered again takes nothing back. One
 * that was started in the place of another is taken for set as that was, until it says otherwise.
 */
export function mergeFacts(before: WorkerFacts | undefined, now: WorkerFacts): WorkerFacts {
  if (before === undefined) return now;
  return {
    ...now,
    pool: now.pool ?? before.pool,
    queues: now.queues ?? before.queues,
    tasks: now.tasks ?? before.tasks,
    visibilityTimeoutMs: now.visibilityTimeoutMs ?? before.visibilityTimeoutMs,
  };
}

function readStats(answer: unknown): Pick<WorkerFacts, 'pid' | 'pool'> {
  const stats = asRecord(answer);
  const pid = stats?.['pid'];
  return { pid: typeof pid === 'number' ? pid : null, pool: poolOf(asRecord(stats?.['pool']), pid) };
}

/** A pool does not tell its name before Celery 5.3, but each has figures of its own. */
function poolOf(pool: Readonly<Record<string, unknown>> | undefined, pid: unknown): string | null {
  const implementation = pool?.['implementation'];
  if (typeof implementation === 'string') {
    const module = implementation.split(':')[0]?.split('.').at(-1);
    return module === 'thread' ? 'threads' : (module ?? null);
  }
  const processes = pool?.['processes'];
  if (Array.isArray(processes)) return processes.includes(pid) ? 'solo' : 'prefork';
  return pool?.['threads'] === undefined ? null : 'threads';
}

function readQueues(answer: unknown): readonly string[] | null {
  if (!Array.isArray(answer)) return null;
  return answer.map((queue) => asRecord(queue)?.['name']).filter((name) => typeof name === 'string');
}

/** Entries are `name [acks_late=True reject_on_worker_lost=False]`; an attribute that is None is left out. */
function readTasks(answer: unknown): ReadonlyMap<string, TaskFacts> | null {
  if (!Array.isArray(answer)) return null;
  const entries: readonly unknown[] = answer;
  return new Map(
    entries
      .filter((entry) => typeof entry === 'string')
      .map((entry) => {
        const [, name = entry, items = ''] = /^(\S+)(?: \[(.*)\])?$/s.exec(entry) ?? [];
        const values = new Map(items.split(' ').map((item) => item.split('=', 2) as [string, string]));
        return [
          name,
          {
            acksLate: readBoolean(values.get('acks_late')),
            rejectOnWorkerLost: readBoolean(values.get('reject_on_worker_lost')),
          },
        ];
      }),
  );
}

function readBoolean(text: string | undefined): boolean | null {
  if (text === 'True') return true;
  return text === 'False' ? false : null;
}

function readVisibilityTimeout(answer: unknown): WorkerFacts['visibilityTimeoutMs'] {
  if (asRecord(answer) === undefined) return null;
  const options = asRecord(asRecord(answer)?.['broker_transport_options']);
  const seconds = Number(options?.['visibility_timeout']);
  return options?.['visibility_timeout'] !== undefined && Number.isFinite(seconds)
    ? Math.round(seconds * 1000)
    : 'default';
}

/** A task in the hands of a worker: `reserved` is fetched and not begun, `scheduled` has its time to wait for. */
export interface HeldTask {
  readonly host: string;
  readonly state: 'active' | 'reserved' | 'scheduled';
  /** When a scheduled one is due, epoch ms; `null`: not told. */
  readonly etaEpochMs: number | null;
  readonly acknowledged: boolean;
  /** The process that runs it: a prefork child. */
  readonly pid: number | null;
}

/** Who holds a task, and who was asked with effect. */
export interface HolderAnswer {
  readonly held: HeldTask | null;
  readonly answered: readonly string[];
  /** All that can hear remote control have answered. */
  readonly complete: boolean;
  readonly replies: number;
}

/** Asks all workers for the task. One that is running it comes before one that has only fetched it. */
export async function findHolder(
  remote: RemoteControl,
  id: string,
  limitMs: number,
  counts: (host: string) => boolean,
): Promise<HolderAnswer> {
  const answers = await remote.ask({ method: 'query_task', arguments: { ids: [id] } }, limitMs, counts);
  const answered = [...answers.byHost.keys()];
  const holders = [...answers.byHost].flatMap(([host, answer]) => readHeld(host, asRecord(answer)?.[id]));
  const held = holders.find(({ state }) => state === 'active') ?? holders[0];
  const { complete, replies } = answers;
  if (held !== undefined || answered.length === 0) return { held: held ?? null, answered, complete, replies };
  const scheduled = await remote.ask({ method: 'scheduled', arguments: {} }, limitMs, counts);
  const [waiting] = [...scheduled.byHost].flatMap(([host, answer]) => readScheduled(host, answer, id));
  return { held: waiting ?? null, answered, complete: complete && scheduled.complete, replies };
}

function readScheduled(host: string, answer: unknown, id: string): readonly HeldTask[] {
  const entries: readonly unknown[] = Array.isArray(answer) ? answer : [];
  return entries.flatMap((entry) => {
    const { eta, request } = asRecord(entry) ?? {};
    const info = asRecord(request);
    if (info?.['id'] !== id) return [];
    const etaEpochMs = typeof eta === 'string' ? Date.parse(eta) : Number.NaN;
    return [
      {
        host,
        state: 'scheduled',
        acknowledged: info['acknowledged'] === true,
        pid: null,
        etaEpochMs: Number.isNaN(etaEpochMs) ? null : etaEpochMs,
      } as const,
    ];
  });
}

/** The answer is a pair of a state and what is known of the request. */
function readHeld(host: string, answer: unknown): readonly HeldTask[] {
  const [state, info]: readonly unknown[] = Array.isArray(answer) ? answer : [];
  if (state !== 'active' && state !== 'reserved') return [];
  const { acknowledged, worker_pid: pid } = asRecord(info) ?? {};
  return [
    {
      host,
      state,
      acknowledged: acknowledged === true,
      pid: typeof pid === 'number' ? pid : null,
      etaEpochMs: null,
    },
  ];
}
