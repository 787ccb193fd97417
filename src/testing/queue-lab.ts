/** What the contract suite needs of a kind of queue: a real broker, real workers, and other people's hands. */
import type { Queue, SubmitOutcome } from '../queues/queue.ts';

/** What a kind can tell; where it rightly cannot, the suite asks for an honest answer instead. */
export interface Tells {
  /** Messages that have ended or failed are kept, and told apart. */
  readonly ends: boolean;
  /** How often a message was handed out. */
  readonly deliveries: boolean;
  /** How many messages there are for a job. */
  readonly messages: boolean;
  /** What a worker calls itself. */
  readonly names: boolean;
  /** Consumers of this queue apart from those of others, where both are there. */
  readonly queues: boolean;
  /** What makes the broker hand a job out again: the end of a lock, of the visibility time, of the connection. */
  readonly recovery: 'lock' | 'visibility' | 'connection';
}

export interface QueueLab extends AsyncDisposable {
  readonly tells: Tells;
  /** The payload that hands these fields to a worker. */
  payload(fields: Readonly<Record<string, unknown>>): unknown;
  /** The run's clock is `performance.now()`. */
  open(queueName: string, options?: { readonly requestTimeoutMs?: number }): Promise<Queue>;
  /** Everything that the broker keeps of the queue, comparable. Times that run by themselves are left out. */
  content(queueName: string): Promise<string>;
  /** Somebody else sends a message. */
  send(queueName: string, id: string, task: string, data: unknown, options?: SendOptions): Promise<void>;
  /** A worker that holds each job until it is told what to do with it. Its lock and its stalled check are short. */
  worker(queueName: string, name?: string): Promise<LabWorker>;
  /** Calls `submit` and keeps the broker from answering it; afterwards the broker answers again. */
  breakOff(submit: () => Promise<SubmitOutcome>): Promise<SubmitOutcome>;
  /** What our own connections have left in the broker, once they are closed. */
  leftovers(): Promise<readonly string[]>;
  /** Ends the broker for good. */
  stopBroker(): Promise<void>;
}

export interface SendOptions {
  readonly delayMs?: number;
}

export interface LabWorker extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when the worker has started on the message; JSON of `{ name, data }`. */
  started(id: string): Promise<string>;
  tell(id: string, order: 'complete' | 'fail' | 'delay'): void;
  /** Resolves when the worker has told the broker of the end. */
  ended(id: string): Promise<unknown>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export const LAB_LOCK_MS = 1_000;
export const LAB_INTERVAL_MS = 500;
