/** Celery, on Redis or on RabbitMQ. */
import { setTimeout as pause } from 'node:timers/promises';
import type { QueueSettings } from '../../config/settings.ts';
import type { BrokerState, Connection, Due, QueueFacts } from '../../core/event.ts';
import type {
  MessageRef,
  Queue,
  QueueCheck,
  QueueContext,
  RecoveryEstimate,
  Submission,
  SubmitOutcome,
} from '../queue.ts';
import type { Sent } from '../reference.ts';
import type { BrokerLook, CeleryBroker } from './broker.ts';
import { consumersOf, type ConsumerView } from './consumers.ts';
import { checkWorkers } from './worker-checks.ts';
import { taskMessage } from './message.ts';
import { readTaskCall } from './payload.ts';
import {
  dueOf,
  estimateByConnection,
  estimateGone,
  estimateHeld,
  estimateUnacknowledged,
  estimateWaiting,
  visibleAtMs,
  type Unacknowledged,
} from './recovery.ts';
import type { HeldTask, HolderAnswer } from './remote-control.ts';
import { consumes, Team } from './team.ts';

/** Between a worker's pop and its note in `unacked` a message is nowhere; so it is looked for twice. */
const TRANSIT_MS = 25;

/**
 * Connects lazily, and anew where the connection was lost.
 * @throws UserError `usage` for a URL that is none of Redis or RabbitMQ
 */
export async function openCelery(settings: QueueSettings, context: QueueContext): Promise<Queue> {
  const broker = await openBroker(settings, context);
  return new CeleryQueue(settings, context, broker);
}

async function openBroker(settings: QueueSettings, context: QueueContext): Promise<CeleryBroker> {
  if (settings.url?.startsWith('amqp') === true) {
    return (await import('./amqp-broker.ts')).openAmqpBroker(settings, context);
  }
  return (await import('./redis-broker.ts')).openRedisBroker(settings, context);
}

class CeleryQueue implements Queue {
  readonly kind = 'celery';
  readonly title: string;
  readonly backend: string;
  readonly queueName: string;
  readonly workerLines = TELLING_LINES;
  readonly #task: string;
  readonly #broker: CeleryBroker;
  readonly #clock: QueueContext['clock'];
  readonly #team: Team;
  readonly #consumers: ConsumerView;
  /** By message id. */
  readonly #sent = new Map<string, Sent>();
  /** Messages that were seen in the broker. */
  readonly #seen = new Set<string>();

  constructor(settings: QueueSettings, context: QueueContext, broker: CeleryBroker) {
    this.#broker = broker;
    this.#clock = context.clock;
    this.backend = broker.backend;
    this.title = broker.backend === 'redis' ? 'Celery on Redis' : 'Celery on RabbitMQ';
    this.queueName = settings.name;
    this.#task = settings.task;
    this.#team = new Team(broker.remote);
    this.#consumers = consumersOf(broker, this.#team, settings.name);
  }

  ping() {
    return this.#broker.ping();
  }

  async workerChecks(): Promise<readonly QueueCheck[]> {
    const workers = await this.#team.learn(1, this.queueName);
    return checkWorkers(
      workers.filter((facts) => consumes(facts, this.queueName)),
      this.#task,
    );
  }

  consumers(): Promise<readonly Connection[] | null> {
    return this.#consumers.list();
  }

  async submit({ messageId, task, payload }: Submission): Promise<SubmitOutcome> {
    const call = readTaskCall(payload);
    this.#sent.set(messageId, { task, payload: [call.args, call.kwargs] });
    const outcome = await this.#broker.submit(taskMessage(messageId, task, call, Date.now()));
    this.#seen.add(messageId);
    return outcome;
  }

  async inspect(message: MessageRef): Promise<BrokerState> {
    const look = await this.#look(message);
    await this.#meetWorkers(look);
    const asks = look.place !== 'ready' || !this.#broker.showsUnacknowledged;
    const answer = asks ? await this.#team.holder(message.messageId) : NOBODY_ASKED;
    const holder = answer.held;
    const nowMs = this.#clock.now();
    const unacknowledged = await this.#unacknowledged(look, nowMs);
    const { state, due } = await this.#stateOf(look, answer, unacknowledged, nowMs);
    return {
      state,
      owner: state === 'gone' ? null : (holder?.host ?? null),
      lockUntilMs: unacknowledged === null ? null : visibleAtMs(unacknowledged),
      due,
      deliveries: null,
      stalls: null,
      failedReason: null,
      messages: look.messages,
      facts: this.#facts(message, holder),
    };
  }

  async estimateRecovery(message: MessageRef): Promise<RecoveryEstimate> {
    const { state, facts } = await this.inspect(message);
    if (facts?.['heldAs'] === 'active')
      return estimateHeld(String(facts['heldBy']), facts['acknowledged'] === true);
    const look = await this.#look(message);
    const nowMs = this.#clock.now();
    const unacknowledged = await this.#unacknowledged(look, nowMs);
    if (unacknowledged !== null)
      return estimateUnacknowledged(unacknowledged, nowMs, this.#team.visibilityTimeoutMs.told);
    if (state === 'waiting') return estimateWaiting();
    return state === 'active' || state === 'delayed' ? estimateByConnection() : estimateGone();
  }

  async purge(message: MessageRef): Promise<void> {
    await this.#broker.purge(message);
    this.#seen.delete(message.messageId);
  }

  absentKeys(): Promise<readonly string[]> {
    return this.#broker.absentKeys();
  }

  async removeKeys(absent: readonly string[]): Promise<void> {
    if (absent.length > 0 && (await this.#consumers.nobody())) await this.#broker.removeKeys(absent);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker[Symbol.asyncDispose]();
  }

  /** Asks workers who they are as soon as they have come, so that it is known when they are gone. */
  async #meetWorkers(look: BrokerLook): Promise<void> {
    const due = this.#broker.showsUnacknowledged ? look.place === 'unacknowledged' : !this.#team.isKnown;
    if (due) await this.#consumers.list();
  }

  async #look(message: MessageRef): Promise<BrokerLook> {
    const sent = this.#sent.get(message.messageId);
    const look = await this.#broker.look(message, sent);
    if (look.place !== 'nowhere') {
      this.#seen.add(message.messageId);
      return look;
    }
    if (!this.#seen.has(message.messageId)) return look;
    await pause(TRANSIT_MS);
    const again = await this.#broker.look(message, sent);
    if (again.place === 'nowhere') this.#seen.delete(message.messageId);
    return again;
  }

  async #unacknowledged(look: BrokerLook, nowMs: number): Promise<Unacknowledged | null> {
    if (look.place !== 'unacknowledged') return null;
    const connections = (await this.#broker.connections()) ?? [];
    return {
      deliveredAtMs: look.deliveredAtMs ?? nowMs,
      visibilityTimeoutMs: this.#team.visibilityTimeoutMs.ms,
      workersSinceMs: connections.map(({ sinceMs }) => sinceMs),
    };
  }

  async #stateOf(
    look: BrokerLook,
    { held: holder, answered }: HolderAnswer,
    unacknowledged: Unacknowledged | null,
    nowMs: number,
  ): Promise<Pick<BrokerState, 'state' | 'due'>> {
    const etaMs = look.etaMs ?? (holder?.etaEpochMs == null ? null : holder.etaEpochMs - Date.now() + nowMs);
    const later = etaMs !== null && etaMs > nowMs;
    const atEta: Due = { kind: 'at', atMs: etaMs ?? nowMs };
    if (unacknowledged !== null) {
      const due = dueOf(unacknowledged, nowMs);
      // What a worker has fetched for later is in its memory; when it dies, the broker's own time counts.
      if (later) return { state: 'delayed', due: holder === null ? due : atEta };
      return { state: holder?.state === 'reserved' ? 'waiting' : 'active', due };
    }
    const waiting: Pick<BrokerState, 'state' | 'due'> = {
      state: 'waiting',
      due: later ? atEta : { kind: 'now' },
    };
    if (this.#broker.showsUnacknowledged) return look.place === 'ready' ? waiting : GONE;
    if (holder?.acknowledged === true) return GONE;
    if (holder?.state === 'scheduled') return { state: 'delayed', due: atEta };
    if (holder !== null) {
      return { state: holder.state === 'active' ? 'active' : 'waiting', due: { kind: 'now' } };
    }
    // Nobody has it who answers. It waits or is gone only if there is nobody else.
    if (!(await this.#consumers.isComplete(answered))) return { state: 'unknown', due: { kind: 'unknown' } };
    return look.place === 'ready' ? waiting : GONE;
  }

  #facts(message: MessageRef, holder: HeldTask | null): QueueFacts {
    const task = this.#sent.get(message.messageId)?.task ?? this.#task;
    return {
      ...this.#team.factsOf(task),
      ...(this.#broker.backend === 'redis'
        ? {
            visibilityTimeoutMs: this.#team.visibilityTimeoutMs.ms,
            visibilityTimeoutTold: this.#team.visibilityTimeoutMs.told,
          }
        : {}),
      ...(holder === null
        ? {}
        : { heldBy: holder.host, heldAs: holder.state, acknowledged: holder.acknowledged }),
    };
  }
}

const NOBODY_ASKED: HolderAnswer = { held: null, answered: [] };

const GONE = { state: 'gone', due: { kind: 'never' } } as const satisfies Pick<BrokerState, 'state' | 'due'>;

/** Lines of a Celery worker that tell what became of a job. */
const TELLING_LINES: readonly RegExp[] = [
  /Received unregistered task of type/,
  /WorkerLostError/,
  /Restoring \d+ unacknowledged message/,
  /Unrecoverable error/,
];
