/** One connection to RabbitMQ, made when it is needed and again when it was lost. Never retries by itself. */
import { connect, type Channel, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { describeUrl } from '../../config/server-address.ts';
import { environmentError, UserError } from '../../core/errors.ts';
import { brokerTimeout, errorCode, errorText, networkError, type BrokerName } from '../broker-errors.ts';
import { CLOSE_TIMEOUT_MS, CONNECT_TIMEOUT_MS, CONNECTION_NAME } from '../limits.ts';
import { within } from '../time-limit.ts';

const OPTION = '--broker-url';

export class AmqpConnection {
  readonly broker: BrokerName;
  readonly requestTimeoutMs: number;
  readonly #url: string;
  #opening: Promise<ChannelModel> | null = null;
  #closed = false;

  constructor(url: string, requestTimeoutMs: number) {
    this.#url = url;
    this.requestTimeoutMs = requestTimeoutMs;
    const address = describeUrl(url).replace(/\/\/?$/, '');
    this.broker = { product: 'RabbitMQ', address, option: OPTION, tlsHint: 'amqps:// (instead of amqp://)' };
  }

  /** @throws UserError `environment` */
  model(): Promise<ChannelModel> {
    if (this.#closed) return Promise.reject(new Error('The queue was closed.'));
    return (this.#opening ??= this.#connect());
  }

  /** Does some work on a channel of its own: a refused request closes its channel, and nothing else suffers by it. */
  async ask<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    try {
      const outcome = await within(
        this.#onChannel((model) => model.createChannel(), work),
        this.requestTimeoutMs,
      );
      if (outcome !== 'timed-out') return outcome.result;
    } catch (error) {
      throw this.describe(error);
    }
    throw brokerTimeout(this.broker);
  }

  /** As `ask`, without its limit and with confirms. Errors come as they are. */
  async askConfirmed<T>(work: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
    return (await this.#onChannel((model) => model.createConfirmChannel(), work)).result;
  }

  /** An error in words; one that is not the broker's comes back as it is. */
  describe(error: unknown): unknown {
    if (error instanceof UserError) return error;
    if (isConnectionLost(error)) return connectionLost(this.broker, error);
    return refusal(this.broker, error) ?? networkError(this.broker, error) ?? error;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const model = await this.#opening?.catch(() => null);
    if (model == null) return;
    await within(
      model.close().catch(() => undefined),
      CLOSE_TIMEOUT_MS,
    );
    const stream: unknown = Reflect.get(model.connection, 'stream');
    if (
      typeof stream === 'object' &&
      stream !== null &&
      'destroy' in stream &&
      typeof stream.destroy === 'function'
    ) {
      stream.destroy();
    }
  }

  async #onChannel<C extends Channel, T>(
    open: (model: ChannelModel) => Promise<C>,
    work: (channel: C) => Promise<T>,
  ): Promise<{ readonly result: T }> {
    const channel = await open(await this.model());
    // Its error is the rejection of the request that caused it, too.
    channel.on('error', () => undefined);
    try {
      return { result: await work(channel) };
    } finally {
      // A channel that the server has closed cannot be closed again.
      await channel.close().catch(() => undefined);
    }
  }

  async #connect(): Promise<ChannelModel> {
    const timeout = Math.min(CONNECT_TIMEOUT_MS, this.requestTimeoutMs);
    let model: ChannelModel;
    try {
      const opening = connect(this.#url, { timeout, clientProperties: { connection_name: CONNECTION_NAME } });
      const outcome = await within(opening, timeout);
      if (outcome === 'timed-out') throw this.#silence();
      model = outcome;
    } catch (error) {
      this.#opening = null;
      if (errorText(error) === 'connect ETIMEDOUT') throw this.#silence();
      throw error instanceof UserError ? error : connectError(this.broker, error);
    }
    const forget = (): void => {
      this.#opening = null;
    };
    model.on('error', forget);
    model.on('close', forget);
    return model;
  }

  #silence(): UserError {
    if (!this.#url.startsWith('amqps:')) return brokerTimeout(this.broker);
    return environmentError(
      'broker-tls',
      `No TLS connection to RabbitMQ at ${this.broker.address} came about in time.`,
      `If the server speaks no TLS, use amqp:// in ${OPTION}; otherwise check that it is alive.`,
    );
  }
}

function connectError(broker: BrokerName, error: unknown): unknown {
  const text = errorText(error);
  const at = `RabbitMQ at ${broker.address}`;
  const known = networkError(broker, error);
  if (known !== null) return known;
  if (/ACCESS[_-]REFUSED/.test(text) && !/vhost/.test(text)) {
    return environmentError(
      'broker-auth',
      `${at} refused the user name or the password.`,
      `Check both in ${OPTION}; special characters in them must be percent-encoded. The user guest may log in from the server's own machine only.`,
      error,
    );
  }
  // amqplib does not pass on why the opening of the virtual host was refused.
  if (/NOT[_-]ALLOWED|vhost|ConnectionOpenOk/.test(text)) {
    return environmentError(
      'broker-virtual-host',
      `${at} has no such virtual host, or the user may not use it.`,
      `Check what follows the port in ${OPTION}: amqp://user:password@host:5672//  is the virtual host "/", …/jobs is "jobs".`,
      error,
    );
  }
  if (isConnectionLost(error) || /Expected .*; got|Socket closed abruptly/.test(text)) {
    return environmentError(
      'broker-closed',
      `${at} closed the connection at once.`,
      `It may expect TLS (try amqps:// in ${OPTION}), or it is no RabbitMQ server.`,
      error,
    );
  }
  return error;
}

/** An answer of RabbitMQ that says that a request was refused; `null` for any other error. */
function refusal(broker: BrokerName, error: unknown): UserError | null {
  const code = replyCode(error);
  if (code === 403) {
    return environmentError(
      'broker-permission',
      `RabbitMQ at ${broker.address}: its user may not do this (${errorText(error).slice(0, 200)}).`,
      `Use in ${OPTION} the user that the worker uses.`,
      error,
    );
  }
  if (code === null) return null;
  return environmentError(
    'broker-refuses',
    `RabbitMQ at ${broker.address} refused (${errorText(error).slice(0, 200)}).`,
    undefined,
    error,
  );
}

/** The AMQP reply code of an error, e.g. 404. */
export function replyCode(error: unknown): number | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : null;
}

/** The connection or the channel ended while a request was under way. */
export function isConnectionLost(error: unknown): boolean {
  const code = replyCode(error);
  if (code === 320 || code === 541) return true;
  return (
    /^(?:Connection|Channel|Socket) (?:closed|closing|ended)|Unexpected close|socket closed|Heartbeat timeout/i.test(
      errorText(error),
    ) || /^(?:ECONNRESET|EPIPE)$/.test(errorCode(error))
  );
}

export function connectionLost(broker: BrokerName, cause?: unknown): UserError {
  return environmentError(
    'broker-connection-lost',
    `The connection to RabbitMQ at ${broker.address} was lost.`,
    'Check that the server is alive.',
    cause,
  );
}
