/** What BullMQ's two stores, Redis and PostgreSQL, each have to do. */
import type { Connection, Leftover } from '../../core/event.ts';
import type { BrokerInfo, MessageRef, Submission, SubmitOutcome } from '../queue.ts';
import { isPart, refersTo, type Sent } from '../reference.ts';
import type { MessageFacts } from './stalled.ts';

export interface BullmqStore extends AsyncDisposable {
  ping(): Promise<BrokerInfo>;
  consumers(): Promise<readonly Connection[] | null>;
  submit(submission: Submission): Promise<SubmitOutcome>;
  /** One consistent look at the message. */
  look(message: MessageRef): Promise<MessageFacts>;
  /** What it keeps of the job besides the message. */
  leftovers(message: MessageRef): Promise<readonly Leftover[]>;
  purge(message: MessageRef): Promise<void>;
  absentKeys(): Promise<readonly string[]>;
  removeKeys(absent: readonly string[]): Promise<void>;
}

/** An unfinished message of the queue that may be a second one of a job. */
export interface Candidate {
  readonly name: string;
  /** JSON text, as the store keeps it. */
  readonly data: string;
  /** A child that the job's own message has added to its flow. */
  readonly childOfMessage: boolean;
}

/** A second message for the job: the same task about the same job. What a bulk job fans out into is none. */
export function isSecondMessage(candidate: Candidate, job: string, sent: Sent): boolean {
  if (candidate.childOfMessage || candidate.name !== sent.task) return false;
  const data = parsed(candidate.data);
  return refersTo(data, job, sent.payload) && !isPart(data, sent.payload);
}

/** `null` where the search ended at its limit and has found nothing: what lies beyond is not known. */
export function messageCount(unfinished: boolean, second: number, complete: boolean): number | null {
  return complete || second > 0 ? Number(unfinished) + second : null;
}

export function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
