/** The workers as they have told of themselves by remote control; what one has told is remembered when it is gone. */
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { QueueFacts } from '../../core/event.ts';
import { DEFAULT_VISIBILITY_TIMEOUT_MS } from './recovery.ts';
import {
  askForFacts,
  findHolder,
  isToldWhole,
  mergeFacts,
  type HolderAnswer,
  type RemoteControl,
  type WorkerFacts,
} from './remote-control.ts';

/** An idle worker answers within 10 ms; one that is busy in its only thread does not answer at all. */
const ANSWER_LIMIT_MS = 150;
/** A worker hears remote control a moment before or after it takes its first message. */
const LEARN_LIMIT_MS = 500;
/** A holder is asked for no more often than this. */
const HOLDER_FRESH_MS = 150;
const SILENT_FRESH_MS = 1_000;
const NO_ANSWER: HolderAnswer = { held: null, answered: [], complete: false, replies: 0 };

export class Team {
  readonly #remote: RemoteControl;
  readonly #queueName: string;
  readonly #facts = new Map<string, WorkerFacts>();
  #holder: { readonly id: string; readonly answer: Promise<HolderAnswer>; freshUntilMs: number } | null =
    null;

  constructor(remote: RemoteControl, queueName: string) {
    this.#remote = remote;
    this.#queueName = queueName;
  }

  /**
   * Asks who is there, until so many (of the queue, or of all) have answered all of it or the time is over.
   * @returns those that answered, with all that they have ever told
   */
  async learn(
    wanted: number,
    among: 'queue' | 'all',
    limitMs = LEARN_LIMIT_MS,
  ): Promise<readonly WorkerFacts[]> {
    const deadline = performance.now() + limitMs;
    let answered: readonly WorkerFacts[] = [];
    do {
      const mayConsume = (host: string): boolean => this.#consumes(host) !== false;
      const asked = await askForFacts(this.#remote, ANSWER_LIMIT_MS, mayConsume).catch(
        () => new Map<string, WorkerFacts>(),
      );
      answered = [...asked.values()].map((facts) => mergeFacts(this.#facts.get(facts.host), facts));
      for (const facts of answered) this.#facts.set(facts.host, facts);
      const counted = answered.filter(({ host }) => among === 'all' || mayConsume(host));
      if (counted.length >= wanted && counted.every(isToldWhole)) break;
      await pause(20);
    } while (performance.now() < deadline);
    return answered;
  }

  /** Who has the task, of those that answer: a solo worker answers when it has nothing to do. */
  holder(id: string): Promise<HolderAnswer> {
    const before = this.#holder;
    if (before?.id === id && performance.now() < before.freshUntilMs) return before.answer;
    const counts = (host: string): boolean => this.#consumes(host) === true;
    const answer = findHolder(this.#remote, id, ANSWER_LIMIT_MS, counts).catch(() => NO_ANSWER);
    const asked = { id, answer, freshUntilMs: performance.now() + HOLDER_FRESH_MS };
    this.#holder = asked;
    void this.#slowDown(asked);
    return answer;
  }

  /** As `holder`, never by an answer that was given before. */
  holderNow(id: string): Promise<HolderAnswer> {
    this.#holder = null;
    return this.holder(id);
  }

  /** Questions to a worker that is busy pile up with it. */
  async #slowDown(asked: { readonly answer: Promise<HolderAnswer>; freshUntilMs: number }): Promise<void> {
    const beganMs = performance.now();
    const { answered } = await asked.answer;
    // Where nobody is there to hear it, the answer is not waited for.
    const waited = performance.now() - beganMs >= ANSWER_LIMIT_MS;
    if (answered.length === 0 && waited) asked.freshUntilMs = performance.now() + SILENT_FRESH_MS;
  }

  /** How many of these workers have said that they consume the queue: one that has not may be another queue's. */
  consumersAmong(hosts: readonly string[]): number {
    return hosts.filter((host) => this.#consumes(host) === true).length;
  }

  /** `null`: it has not said. */
  #consumes(host: string): boolean | null {
    const facts = this.#facts.get(host);
    return facts === undefined ? null : consumes(facts, this.#queueName);
  }

  get isKnown(): boolean {
    return this.#facts.size > 0;
  }

  get visibilityTimeoutMs(): { readonly ms: number; readonly told: boolean } {
    const told = [...this.#facts.values()].findLast((facts) => facts.visibilityTimeoutMs !== null);
    const timeout = told?.visibilityTimeoutMs;
    return typeof timeout === 'number'
      ? { ms: timeout, told: true }
      : { ms: DEFAULT_VISIBILITY_TIMEOUT_MS, told: timeout === 'default' };
  }

  /**
   * What the workers of the queue have said of the task. Remote control is shared by all workers of a broker: those of
   * another queue may know the task as well, and be set otherwise; they tell only which queues are consumed at all.
   */
  factsOf(task: string): QueueFacts {
    const all = [...this.#facts.values()];
    const workers = all.filter(({ host }) => this.#consumes(host) !== false);
    const told = workers.findLast(({ tasks }) => tasks?.has(task) === true);
    const taskFacts = told?.tasks?.get(task);
    const allTold = workers.length > 0 && workers.every(({ tasks }) => tasks !== null);
    const queues = [...new Set(all.flatMap((facts) => facts.queues ?? []))];
    const pool = (told ?? workers.at(-1))?.pool;
    return {
      ...(pool == null ? {} : { pool }),
      ...(told !== undefined || allTold ? { registered: told !== undefined } : {}),
      ...(queues.length === 0 ? {} : { workerQueues: queues.join(', ') }),
      ...(taskFacts?.acksLate == null ? {} : { acksLate: taskFacts.acksLate }),
      ...(taskFacts?.rejectOnWorkerLost == null ? {} : { rejectOnWorkerLost: taskFacts.rejectOnWorkerLost }),
    };
  }
}

/** Whether a worker consumes the queue; `null`: it has not said, and may. */
export function consumes({ queues }: WorkerFacts, queueName: string): boolean | null {
  return queues?.includes(queueName) ?? null;
}

/** The worker's process, where its node name says that it is on this machine. In a container it would be another's. */
export function localPid({ host, pid }: WorkerFacts): number | null {
  return pid !== null && pid > 1 && host.endsWith(`@${hostname()}`) ? pid : null;
}
