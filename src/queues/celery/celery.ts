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
import type { BrokerLook, CeleryBroker, FurtherMessages } from './broker.ts';
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
/** How long a message may be on its way to a worker that was never heard by remote control. */
const UNHEARD_TRANSIT_MS = 2_000;

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
  /** Where each message was last seen in the broker, or known to have been put. */
  readonly #seen = new Map<string, 'ready' | 'unacknowledged'>();
  /** Messages that a worker has said to have acknowledged: whatever is ready later is not them. */
  readonly #acknowledged = new Set<string>();
  /** Since when a message that was seen is in none of the broker's places. */
  readonly #nowhereSinceMs = new Map<string, number>();

  constructor(settings: QueueSettings, context: QueueContext, broker: CeleryBroker) {
    this.#broker = broker;
    this.#clock = context.clock;
    this.backend = broker.backend;
    this.title = broker.backend === 'redis' ? 'Celery on Redis' : 'Celery on RabbitMQ';
    this.queueName = settings.name;
    this.#task = settings.task;
    this.#team = new Team(broker.remote, settings.name);
    this.#consumers = consumersOf(broker, this.#team, settings.name);
  }

  ping() {
    return this.#broker.ping();
  }

  async workerChecks(): Promise<readonly QueueCheck[]> {
    const workers = await this.#team.learn(1, 'queue', CHECK_LIMIT_MS);
    return checkWorkers(
      workers.filter((facts) => consumes(facts, this.queueName) !== false),
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
    this.#seen.set(messageId, 'ready');
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
    const { state, due: own } = await this.#stateOf(message, look, answer, unacknowledged, nowMs);
    const due = state === 'gone' && look.further !== null ? await this.#dueOf(look.further, nowMs) : own;
    return {
      state,
      owner: state === 'gone' || holder === null ? null : ownerOf(holder),
      lockUntilMs: unacknowledged === null ? null : visibleAtMs(unacknowledged),
      due,
      deliveries: null,
      stalls: null,
      failedReason: null,
      messages: look.messages,
      facts: { ...this.#facts(message, look, holder), ...(await this.#connected(look)) },
    };
  }

  async estimateRecovery(message: MessageRef): Promise<RecoveryEstimate> {
    const { state, facts } = await this.inspect(message);
    if (facts?.['heldAs'] === 'active')
      return estimateHeld(String(facts['heldBy']), facts['acknowledged'] === true);
    const look = await this.#look(message);
    const nowMs = this.#clock.now();
    const unacknowledged = await this.#unacknowledged(look, nowMs);
    const deliveredAtMs = state === 'gone' ? (look.further?.deliveredAtMs ?? null) : null;
    const held = deliveredAtMs === null ? unacknowledged : await this.#deliveredAt(deliveredAtMs);
    if (held !== null) return estimateUnacknowledged(held, nowMs, this.#team.visibilityTimeoutMs.told);
    if (look.further !== null) return estimateWaiting();
    if (state === 'waiting') return estimateWaiting();
    return state === 'active' || state === 'delayed' ? estimateByConnection() : estimateGone();
  }

  async purge(message: MessageRef): Promise<void> {
    await this.#broker.purge(message);
    this.#seen.delete(message.messageId);
    this.#nowhereSinceMs.delete(message.messageId);
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
    if (look.place === 'nowhere' && this.#seen.has(message.messageId)) {
      await pause(TRANSIT_MS);
      return this.#noted(message, await this.#broker.look(message, sent));
    }
    return this.#noted(message, look);
  }

  #noted({ messageId }: MessageRef, look: BrokerLook): BrokerLook {
    if (look.place === 'nowhere') {
      if (!this.#nowhereSinceMs.has(messageId)) this.#nowhereSinceMs.set(messageId, this.#clock.now());
    } else {
      this.#seen.set(messageId, look.place);
      this.#nowhereSinceMs.delete(messageId);
    }
    return look;
  }

  async #unacknowledged(look: BrokerLook, nowMs: number): Promise<Unacknowledged | null> {
    return look.place === 'unacknowledged' ? this.#deliveredAt(look.deliveredAtMs ?? nowMs) : null;
  }

  async #deliveredAt(deliveredAtMs: number): Promise<Unacknowledged> {
    const connections = (await this.#broker.connections()) ?? [];
    return {
      deliveredAtMs,
      visibilityTimeoutMs: this.#team.visibilityTimeoutMs.ms,
      workersSinceMs: connections.map(({ sinceMs }) => sinceMs),
    };
  }

  /** When the job goes on that has been split into further messages: when the next of them is handed out. */
  async #dueOf({ deliveredAtMs }: FurtherMessages, nowMs: number): Promise<Due> {
    return deliveredAtMs === null ? { kind: 'now' } : dueOf(await this.#deliveredAt(deliveredAtMs), nowMs);
  }

  async #stateOf(
    message: MessageRef,
    look: BrokerLook,
    answer: HolderAnswer,
    unacknowledged: Unacknowledged | null,
    nowMs: number,
  ): Promise<Pick<BrokerState, 'state' | 'due'>> {
    const { held: holder } = answer;
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
    if (this.#broker.showsUnacknowledged) {
      if (look.place === 'ready') return waiting;
      return (await this.#isGone(message, answer)) ? GONE : UNKNOWN;
    }
    if (holder?.acknowledged === true) this.#acknowledged.add(message.messageId);
    else if (holder !== null) this.#acknowledged.delete(message.messageId);
    if (this.#acknowledged.has(message.messageId)) return GONE;
    if (holder?.state === 'scheduled') return { state: 'delayed', due: atEta };
    if (holder !== null) {
      return { state: holder.state === 'active' ? 'active' : 'waiting', due: { kind: 'now' } };
    }
    // Nobody has it who answers. It waits or is gone only if there is nobody else.
    if (!(await this.#consumers.isComplete(answer.answered))) return UNKNOWN;
    if (look.place === 'ready') return waiting;
    // It may have been handed to one that answered before it had read it.
    await pause(TRANSIT_MS);
    const again = await this.#team.holderNow(message.messageId);
    const nobody = again.held === null && (await this.#consumers.isComplete(again.answered));
    return nobody && (await this.#broker.look(message, undefined)).place === 'nowhere' ? GONE : UNKNOWN;
  }

  /**
   * A message that is in none of Redis's places: acknowledged, or popped by a worker that has not noted it yet. On a
   * busy machine, or with a worker that is frozen, that takes as long as it takes; so all that could have popped it
   * have to say that they do not have it. One that hears no remote control (it is switched off) has had the time.
   */
  async #isGone(message: MessageRef, answer: HolderAnswer): Promise<boolean> {
    const { messageId } = message;
    // From `unacked` it goes by its acknowledgement alone.
    if (this.#seen.get(messageId) !== 'ready') return true;
    if (answer.held !== null) return answer.held.acknowledged;
    const connected = await this.#broker.connections();
    if (connected?.length !== 0) {
      const nowhereMs = this.#clock.now() - (this.#nowhereSinceMs.get(messageId) ?? this.#clock.now());
      const deaf = connected === null || answer.replies < connected.length;
      const over = nowhereMs >= UNHEARD_TRANSIT_MS;
      if (this.#team.isKnown && !answer.complete) return false;
      if ((deaf || !this.#team.isKnown) && !over) return false;
      // One that answered may have read it a moment after.
      await pause(TRANSIT_MS);
      if ((await this.#broker.look(message, this.#sent.get(messageId))).place !== 'nowhere') return false;
    }
    this.#seen.delete(messageId);
    return true;
  }

  /** On Redis a message that was delivered comes back by a worker alone: its own, or another that looks for such. */
  async #connected({ place }: BrokerLook): Promise<QueueFacts> {
    if (!this.#broker.showsUnacknowledged || place !== 'ready') return {};
    const connected = await this.#broker.connections();
    return connected === null ? {} : { workersConnected: connected.length };
  }

  #facts(message: MessageRef, look: BrokerLook, holder: HeldTask | null): QueueFacts {
    const task = this.#sent.get(message.messageId)?.task ?? this.#task;
    return {
      ...this.#team.factsOf(task),
      ...(this.#broker.backend === 'redis'
        ? {
            visibilityTimeoutMs: this.#team.visibilityTimeoutMs.ms,
            visibilityTimeoutTold: this.#team.visibilityTimeoutMs.told,
          }
        : {}),
      ...(look.retries === null ? {} : { retries: look.retries }),
      ...(look.further === null ? {} : { further: look.further.count }),
      ...(holder === null
        ? {}
        : { heldBy: holder.host, heldAs: holder.state, acknowledged: holder.acknowledged }),
    };
  }
}

/** A worker that has just connected may look for its neighbours (mingle) for a second, and hears nobody meanwhile. */
const CHECK_LIMIT_MS = 3_000;

/** The lives of a worker share its node name; the process that runs the task tells them apart. */
function ownerOf({ host, pid }: HeldTask): string {
  return pid === null ? host : `${host}, process ${pid}`;
}

const NOBODY_ASKED: HolderAnswer = { held: null, answered: [], complete: false, replies: 0 };
const UNKNOWN = { state: 'unknown', due: { kind: 'unknown' } } as const satisfies Pick<
  BrokerState,
  'state' | 'due'
>;

const GONE = { state: 'gone', due: { kind: 'never' } } as const satisfies Pick<BrokerState, 'state' | 'due'>;

/** Lines of a Celery worker that tell what became of a job. */
const TELLING_LINES: readonly RegExp[] = [
  /Received unregistered task of type/,
  /WorkerLostError/,
  /Restoring \d+ unacknowledged message/,
  /Unrecoverable error/,
  /\] raised unexpected: /,
  /Hard time limit .* exceeded/,
  /Discarding revoked task/,
  /purge: Erased \d+ message/,
];
