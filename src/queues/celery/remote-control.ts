/**
 * Questions to Celery's workers by its remote control, and what their answers say. The bytes go another way on each
 * broker; the words are the same. (celery/worker/control.py, kombu/pidbox.py.)
 *
 * Never by `celery inspect`: on Redis its client runs a restore of its own when it connects, which hands jobs out
 * that the experiment is waiting for. A question that is published directly touches no message.
 */
import { asRecord } from './message.ts';

export interface Question {
  readonly method: 'ping' | 'registered' | 'conf' | 'stats' | 'active_queues' | 'query_task';
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** Answers by the worker's node name, e.g. `celery@host`. */
export type Answers = ReadonlyMap<string, unknown>;

/** The way to the workers on one broker. */
export interface RemoteControl {
  /**
   * Asks all workers, or those named. Resolves as soon as all that can hear it have answered, at the latest after
   * `limitMs`; a worker that is busy (solo) or frozen is missing.
   */
  ask(question: Question, limitMs: number, destination?: readonly string[]): Promise<Answers>;
}

/** The body of a question, as kombu's `Mailbox._publish` makes it. */
export function questionBody(
  question: Question,
  ticket: string,
  replyTo: { readonly exchange: string; readonly routingKey: string },
  destination: readonly string[] | undefined,
): string {
  return JSON.stringify({
    method: question.method,
    arguments: question.arguments,
    destination: destination ?? null,
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
  /** By the task's name. */
  readonly tasks: ReadonlyMap<string, TaskFacts>;
  /** kombu's `visibility_timeout`; `null`: not set, so its default. */
  readonly visibilityTimeoutMs: number | null;
}

export interface TaskFacts {
  readonly acksLate: boolean | null;
  readonly rejectOnWorkerLost: boolean | null;
}

const ITEMS = ['acks_late', 'reject_on_worker_lost'];

/** @returns the facts of every worker that answered within the time, by its node name */
export async function askForFacts(
  remote: RemoteControl,
  limitMs: number,
  destination?: readonly string[],
): Promise<ReadonlyMap<string, WorkerFacts>> {
  const ask = (method: Question['method'], given: Question['arguments'] = {}): Promise<Answers> =>
    remote.ask({ method, arguments: given }, limitMs, destination);
  const [stats, registered, queues, conf] = await Promise.all([
    ask('stats'),
    ask('registered', { taskinfoitems: ITEMS }),
    ask('active_queues'),
    ask('conf'),
  ]);
  return new Map(
    [...stats].map(([host, answer]) => [
      host,
      {
        host,
        ...readStats(answer),
        queues: readQueues(queues.get(host)),
        tasks: readTasks(registered.get(host)),
        visibilityTimeoutMs: readVisibilityTimeout(conf.get(host)),
      },
    ]),
  );
}

function readStats(answer: unknown): Pick<WorkerFacts, 'pid' | 'pool'> {
  const stats = asRecord(answer);
  const pid = stats?.['pid'];
  const implementation = asRecord(stats?.['pool'])?.['implementation'];
  const module = typeof implementation === 'string' ? implementation.split(':')[0] : undefined;
  const pool =
    module
      ?.split('.')
      .at(-1)
      ?.replace(/^thread$/, 'threads') ?? null;
  return { pid: typeof pid === 'number' ? pid : null, pool };
}

function readQueues(answer: unknown): readonly string[] | null {
  if (!Array.isArray(answer)) return null;
  return answer.map((queue) => asRecord(queue)?.['name']).filter((name) => typeof name === 'string');
}

/** Entries are `name [acks_late=True reject_on_worker_lost=False]`; an attribute that is None is left out. */
function readTasks(answer: unknown): ReadonlyMap<string, TaskFacts> {
  const entries: readonly unknown[] = Array.isArray(answer) ? answer : [];
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

function readVisibilityTimeout(answer: unknown): number | null {
  const options = asRecord(asRecord(answer)?.['broker_transport_options']);
  const seconds = Number(options?.['visibility_timeout']);
  return options?.['visibility_timeout'] !== undefined && Number.isFinite(seconds)
    ? Math.round(seconds * 1000)
    : null;
}

/** A task in the hands of a worker: `reserved` is fetched and not begun. */
export interface HeldTask {
  readonly host: string;
  readonly state: 'active' | 'reserved';
  readonly acknowledged: boolean;
  /** The process that runs it: a prefork child. */
  readonly pid: number | null;
}

/** Who holds the task, of those that answer. One that is running it comes before one that has only fetched it. */
export async function findHolder(
  remote: RemoteControl,
  id: string,
  limitMs: number,
  destination: readonly string[] | undefined,
): Promise<HeldTask | null> {
  const answers = await remote.ask({ method: 'query_task', arguments: { ids: [id] } }, limitMs, destination);
  const held = [...answers].flatMap(([host, answer]) => readHeld(host, asRecord(answer)?.[id]));
  return held.find(({ state }) => state === 'active') ?? held[0] ?? null;
}

/** The answer is a pair of a state and what is known of the request. */
function readHeld(host: string, answer: unknown): readonly HeldTask[] {
  const [state, info]: readonly unknown[] = Array.isArray(answer) ? answer : [];
  if (state !== 'active' && state !== 'reserved') return [];
  const { acknowledged, worker_pid: pid } = asRecord(info) ?? {};
  return [{ host, state, acknowledged: acknowledged === true, pid: typeof pid === 'number' ? pid : null }];
}
