/** What Celery's two brokers, Redis and RabbitMQ, each have to do. */
import type { Connection } from '../../core/event.ts';
import type { BrokerInfo, MessageRef, SubmitOutcome } from '../queue.ts';
import type { Sent } from '../reference.ts';
import type { TaskMessage } from './message.ts';
import type { RemoteControl } from './remote-control.ts';

/** Where a message is, as the broker shows it. Times are `atMs` of the run. */
export interface BrokerLook {
  /** `ready`: whether this message is among them cannot be told where only their number is known. */
  readonly place: 'ready' | 'unacknowledged' | 'nowhere';
  /** When a worker may begin with it; `null`: at once, or not told. */
  readonly etaMs: number | null;
  /** When it was delivered; `null`: not told. */
  readonly deliveredAtMs: number | null;
  readonly messages: number | null;
  /** How often the task has put itself back, as the message tells; `null`: not told. */
  readonly retries: number | null;
  /** What the task has sent on (a group, a chord, a chain) and the broker still has; `null`: nothing, or not told. */
  readonly further: FurtherMessages | null;
}

export interface FurtherMessages {
  readonly count: number;
  /** When the first of them was delivered; `null`: one of them waits. */
  readonly deliveredAtMs: number | null;
}

export interface Consumer extends Connection {
  /** When it was connected, at the latest. */
  readonly sinceMs: number;
}

export interface CeleryBroker extends AsyncDisposable {
  readonly backend: 'redis' | 'rabbitmq';
  readonly remote: RemoteControl;
  /** Whether the broker shows what is delivered and not acknowledged. */
  readonly showsUnacknowledged: boolean;
  ping(): Promise<BrokerInfo>;
  /** Connections that take messages; on Redis those of this database, whichever queue they ask for. `null`: not told. */
  connections(): Promise<readonly Consumer[] | null>;
  /** How many consume the queue; `null`: not told. */
  consumerCount(): Promise<number | null>;
  submit(message: TaskMessage): Promise<SubmitOutcome>;
  look(message: MessageRef, sent: Sent | undefined): Promise<BrokerLook>;
  purge(message: MessageRef): Promise<void>;
  absentKeys(): Promise<readonly string[]>;
  removeKeys(absent: readonly string[]): Promise<void>;
}
