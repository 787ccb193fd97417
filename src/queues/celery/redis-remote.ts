/** Remote control over Redis: questions are published, answers are put into a list of our own. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { asRecord, envelope, parsed } from './message.ts';
import type { RedisKeys } from './redis-keys.ts';
import { questionBody, type Answers, type Question, type RemoteControl } from './remote-control.ts';

const ANSWER_INTERVAL_MS = 4;
const REPLY_EXCHANGE = 'reply.celery.pidbox';

interface Asked {
  readonly answers: Map<string, unknown>;
  /** Two workers may have one name, and answer twice. */
  replies: number;
}

export class RedisRemote implements RemoteControl {
  /** Names our list of answers; in the run's journal, so that it can be removed after a crash too. */
  readonly oid = `verify-restart-${randomUUID()}`;
  readonly #keys: RedisKeys;
  readonly #client: () => Promise<Redis>;
  readonly #asked = new Map<string, Asked>();
  #bound = false;

  constructor(keys: RedisKeys, client: () => Promise<Redis>) {
    this.#keys = keys;
    this.#client = client;
  }

  async ask(question: Question, limitMs: number): Promise<Answers> {
    const client = await this.#client();
    const ticket = randomUUID();
    const asked: Asked = { answers: new Map(), replies: 0 };
    this.#asked.set(ticket, asked);
    try {
      // Before the question: a worker drops an answer that is bound to nothing.
      this.#bound = true;
      await client.sadd(this.#keys.replyBinding, this.#keys.replyMember(this.oid));
      const body = questionBody(question, ticket, { exchange: REPLY_EXCHANGE, routingKey: this.oid });
      // Redis tells how many hear it.
      const expected = await client.publish(this.#keys.controlChannel, this.#wrapped(body, limitMs));
      const deadline = performance.now() + limitMs;
      while (asked.replies < expected && performance.now() < deadline) {
        if (!(await this.#takeAnswer(client))) await pause(ANSWER_INTERVAL_MS);
      }
      return { byHost: asked.answers, complete: asked.replies >= expected, replies: asked.replies };
    } finally {
      this.#asked.delete(ticket);
    }
  }

  /** Takes our list of answers away again; a late answer is dropped by the worker. */
  async close(): Promise<void> {
    if (!this.#bound) return;
    this.#bound = false;
    await removeReplies(await this.#client(), this.#keys, this.oid);
  }

  #wrapped(body: string, limitMs: number): string {
    return envelope({
      body,
      headers: { clock: 1, expires: (Date.now() + limitMs) / 1000 },
      exchange: 'celery.pidbox',
      routingKey: '',
      priority: 0,
      deliveryMode: 1,
      deliveryTag: randomUUID(),
    });
  }

  /** Answers to any of our questions come into one list; each goes to its own question. */
  async #takeAnswer(client: Redis): Promise<boolean> {
    const taken = await client.rpop(this.#keys.replyList(this.oid));
    if (taken === null) return false;
    const message = asRecord(parsed(taken));
    const ticket = asRecord(message?.['headers'])?.['ticket'];
    const body = message?.['body'];
    if (typeof ticket !== 'string' || typeof body !== 'string') return true;
    const asked = this.#asked.get(ticket);
    if (asked === undefined) return true;
    asked.replies += 1;
    const answers = asRecord(parsed(Buffer.from(body, 'base64').toString()));
    for (const [host, answer] of Object.entries(answers ?? {})) asked.answers.set(host, answer);
    return true;
  }
}

export async function removeReplies(client: Redis, keys: RedisKeys, oid: string): Promise<void> {
  await client.multi().srem(keys.replyBinding, keys.replyMember(oid)).del(keys.replyList(oid)).exec();
}
