/** Remote control over RabbitMQ: questions go to the workers' fanout exchange, answers to a queue that ends with our connection. */
import { randomUUID } from 'node:crypto';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { AmqpConnection } from './amqp-connection.ts';
import { asRecord, parsed } from './message.ts';
import { questionBody, type Answers, type Question, type RemoteControl } from './remote-control.ts';

export const CONTROL_EXCHANGE = 'celery.pidbox';
export const REPLY_EXCHANGE = 'reply.celery.pidbox';

interface Line {
  readonly channel: Channel;
  readonly oid: string;
}

export class AmqpRemote implements RemoteControl {
  readonly #connection: AmqpConnection;
  readonly #expected: () => Promise<number>;
  /** By the question's ticket: where an answer goes. */
  readonly #asked = new Map<string, (host: string, answer: unknown) => void>();
  #line: Promise<Line> | null = null;

  /** @param expected how many consume the queue; RabbitMQ does not say how many hear a question, who may be others too */
  constructor(connection: AmqpConnection, expected: () => Promise<number>) {
    this.#connection = connection;
    this.#expected = expected;
  }

  async ask(question: Question, limitMs: number, counts: (host: string) => boolean): Promise<Answers> {
    const expected = await this.#expected();
    const answers = new Map<string, unknown>();
    const isComplete = (): boolean => [...answers.keys()].filter(counts).length >= expected;
    // A question to an exchange that is not there would close the channel; without it there is no worker.
    if (expected === 0 || !(await this.#hasWorkers()))
      return { byHost: answers, complete: expected === 0, replies: 0 };
    const { channel, oid } = await (this.#line ??= this.#open());
    const ticket = randomUUID();
    try {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, limitMs);
        const complete = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#asked.set(ticket, (host, answer) => {
          answers.set(host, answer);
          if (isComplete()) complete();
        });
        const body = questionBody(question, ticket, { exchange: REPLY_EXCHANGE, routingKey: oid });
        channel.publish(CONTROL_EXCHANGE, '', Buffer.from(body), {
          contentType: 'application/json',
          contentEncoding: 'utf-8',
          deliveryMode: 1,
          headers: { clock: 1, expires: (Date.now() + limitMs) / 1000 },
        });
      });
      return { byHost: answers, complete: isComplete(), replies: answers.size };
    } finally {
      this.#asked.delete(ticket);
    }
  }

  /** Takes our queue of answers away; the next question makes another. */
  async close(): Promise<void> {
    const line = await this.#line?.catch(() => null);
    this.#line = null;
    // With its consumer the queue goes, and with it what binds it to the exchange.
    await line?.channel.close().catch(() => undefined);
  }

  async #hasWorkers(): Promise<boolean> {
    return this.#connection
      .ask((channel) => channel.checkExchange(CONTROL_EXCHANGE))
      .then(() => true)
      .catch(() => false);
  }

  async #open(): Promise<Line> {
    const model = await this.#connection.model();
    const channel = await model.createChannel();
    const forget = (): void => {
      this.#line = null;
    };
    channel.on('error', forget);
    channel.on('close', forget);
    const oid = `verify-restart-${randomUUID()}`;
    const queue = `${oid}.${REPLY_EXCHANGE}`;
    await channel.assertExchange(REPLY_EXCHANGE, 'direct', { durable: false, autoDelete: false });
    await channel.assertQueue(queue, { durable: false, autoDelete: true, exclusive: true });
    await channel.bindQueue(queue, REPLY_EXCHANGE, oid);
    await channel.consume(queue, (message) => this.#take(message), { noAck: true });
    return { channel, oid };
  }

  #take(message: ConsumeMessage | null): void {
    const ticket: unknown = message?.properties.headers?.['ticket'];
    const take = typeof ticket === 'string' ? this.#asked.get(ticket) : undefined;
    if (message === null || take === undefined) return;
    for (const [host, answer] of Object.entries(asRecord(parsed(message.content.toString())) ?? {})) {
      take(host, answer);
    }
  }
}
