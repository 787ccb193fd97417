/**
 * Celery's messages in RabbitMQ. By its own protocol the broker shows how many messages are ready and how many consume
 * the queue, and no more; to read a message is to take it. So a message is looked for with the workers.
 */
import type { Channel, GetMessage } from 'amqplib';
import type { QueueSettings } from '../../config/settings.ts';
import { errorText } from '../broker-errors.ts';
import { DEFAULT_REQUEST_TIMEOUT_MS, SEARCH_LIMIT } from '../limits.ts';
import type { BrokerInfo, MessageRef, QueueContext, SubmitOutcome } from '../queue.ts';
import { within } from '../time-limit.ts';
import { AmqpConnection, connectionLost, isConnectionLost, replyCode } from './amqp-connection.ts';
import { AmqpRemote, CONTROL_EXCHANGE, REPLY_EXCHANGE } from './amqp-remote.ts';
import type { BrokerLook, CeleryBroker, Consumer } from './broker.ts';
import type { TaskMessage } from './message.ts';

const NOT_FOUND = 404;

export function openAmqpBroker(settings: QueueSettings, context: QueueContext): CeleryBroker {
  return new AmqpBroker(settings, context);
}

class AmqpBroker implements CeleryBroker {
  readonly backend = 'rabbitmq';
  readonly showsUnacknowledged = false;
  readonly remote: AmqpRemote;
  readonly #connection: AmqpConnection;
  readonly #queue: string;
  /** Messages whose confirm did not come in time: what is still on its way cannot be removed. */
  readonly #unconfirmed = new Map<string, Promise<unknown>>();

  constructor(settings: QueueSettings, context: QueueContext) {
    this.#connection = new AmqpConnection(
      settings.url ?? '',
      context.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    );
    this.#queue = settings.name;
    this.remote = new AmqpRemote(this.#connection, async () => (await this.#counts()).consumers);
  }

  async ping(): Promise<BrokerInfo> {
    const model = await this.#connection.model();
    const { product, version } = model.connection.serverProperties;
    return { server: `${product} ${version}`, address: this.#connection.broker.address, warnings: [] };
  }

  connections(): Promise<readonly Consumer[] | null> {
    return Promise.resolve(null);
  }

  async consumerCount(): Promise<number> {
    return (await this.#counts()).consumers;
  }

  async submit(message: TaskMessage): Promise<SubmitOutcome> {
    const messageId = message.id;
    let sent = false;
    const publish = this.#connection.askConfirmed(async (channel) => {
      let returned = false;
      channel.on('return', () => {
        returned = true;
      });
      for (;;) {
        this.#publish(channel, message);
        sent = true;
        await channel.waitForConfirms();
        if (!returned) return;
        // As Celery's own producers do: without a queue the message has gone nowhere.
        returned = false;
        await channel.assertQueue(this.#queue, { durable: true });
      }
    });
    const unknown = (problem: string): SubmitOutcome => ({ messageId, certainty: 'uncertain', problem });
    try {
      const outcome = await within(publish, this.#connection.requestTimeoutMs);
      if (outcome === 'timed-out') {
        this.#unconfirmed.set(messageId, publish);
        return unknown('RabbitMQ did not answer in time.');
      }
      return { messageId, certainty: 'certain' };
    } catch (error) {
      if (!isConnectionLost(error)) throw this.#connection.describe(error);
      if (!sent) throw connectionLost(this.#connection.broker, error);
      return unknown(`The connection to RabbitMQ was lost before its answer came (${errorText(error)}).`);
    }
  }

  async look(): Promise<BrokerLook> {
    const { ready } = await this.#counts();
    return {
      place: ready > 0 ? 'ready' : 'nowhere',
      etaMs: null,
      deliveredAtMs: null,
      messages: null,
      retries: null,
      further: null,
    };
  }

  /**
   * A message that waits can only be removed by taking it. So all that are ready are taken at once and not
   * acknowledged, ours is, and the others go back to their places; what marks them is `redelivered` alone. A message
   * that a worker holds is out of reach: it goes when the worker acknowledges it.
   */
  async purge({ messageId }: MessageRef): Promise<void> {
    const underWay = this.#unconfirmed.get(messageId)?.catch(() => undefined);
    if (underWay !== undefined) await within(underWay, this.#connection.requestTimeoutMs);
    const { ready } = await this.#counts();
    if (ready === 0) return;
    await this.#connection.ask(async (channel) => {
      for (let taken = 0; taken < Math.min(ready, SEARCH_LIMIT); taken += 1) {
        const message = await channel.get(this.#queue, { noAck: false });
        if (message === false) return;
        if (isTask(message, messageId)) channel.ack(message);
      }
      // Closing the channel gives back what is not acknowledged.
    });
  }

  async absentKeys(): Promise<readonly string[]> {
    const absent: string[] = [];
    if (!(await this.#exists((channel) => channel.checkQueue(this.#queue))))
      absent.push(`queue:${this.#queue}`);
    for (const exchange of new Set([this.#queue, 'celery', CONTROL_EXCHANGE, REPLY_EXCHANGE, 'celeryev'])) {
      if (!(await this.#exists((channel) => channel.checkExchange(exchange))))
        absent.push(`exchange:${exchange}`);
    }
    return absent;
  }

  async removeKeys(absent: readonly string[]): Promise<void> {
    // An exchange that our own queue of answers is bound to would be taken for used.
    await this.remote.close();
    for (const entry of absent) {
      const [kind, name] = [entry.slice(0, entry.indexOf(':')), entry.slice(entry.indexOf(':') + 1)];
      // Refused by the server, and so left, where it holds a message or is used.
      await this.#connection
        .ask(async (channel) => {
          if (kind === 'queue') await channel.deleteQueue(name, { ifEmpty: true, ifUnused: true });
          else await channel.deleteExchange(name, { ifUnused: true });
        })
        .catch((error: unknown) => {
          if (replyCode(causeOf(error)) === null) throw error;
        });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }

  #publish(channel: Channel, message: TaskMessage): void {
    channel.publish('', this.#queue, Buffer.from(message.body), {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: message.headers,
      correlationId: message.id,
      replyTo: message.replyTo,
      deliveryMode: 2,
      priority: message.priority,
      mandatory: true,
    });
  }

  async #counts(): Promise<{ readonly ready: number; readonly consumers: number }> {
    try {
      const { messageCount, consumerCount } = await this.#connection.ask((channel) =>
        channel.checkQueue(this.#queue),
      );
      return { ready: messageCount, consumers: consumerCount };
    } catch (error) {
      if (replyCode(causeOf(error)) !== NOT_FOUND) throw error;
      return { ready: 0, consumers: 0 };
    }
  }

  async #exists(check: (channel: Channel) => Promise<unknown>): Promise<boolean> {
    try {
      await this.#connection.ask(check);
      return true;
    } catch (error) {
      if (replyCode(causeOf(error)) !== NOT_FOUND) throw error;
      return false;
    }
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? (error.cause ?? error) : error;
}

function isTask(message: GetMessage, id: string): boolean {
  return message.properties.headers?.['id'] === id;
}
