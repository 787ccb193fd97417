/**
 * Who consumes the queue. Redis tells connections, not which queue each asks for; RabbitMQ tells how many consume the
 * queue, not who. The workers' own answers fill the gap, where they answer.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Connection } from '../../core/event.ts';
import type { CeleryBroker, Consumer } from './broker.ts';
import { isToldWhole, type WorkerFacts } from './remote-control.ts';
import { consumes, localPid, type Team } from './team.ts';

export interface ConsumerView {
  /** `null`: the broker does not tell. A worker of another queue is in the list only where none can be told apart. */
  list(): Promise<readonly Connection[] | null>;
  /** Whether nobody is connected, asked until a killed worker's connections have ended. Not told: `false`. */
  nobody(): Promise<boolean>;
  /** Whether every consumer is among those that answered, so that a task that none of them has is with nobody. */
  isComplete(answered: readonly string[]): Promise<boolean>;
}

const NOBODY_LIMIT_MS = 1_000;
const NOBODY_INTERVAL_MS = 50;

export function consumersOf(broker: CeleryBroker, team: Team, queueName: string): ConsumerView {
  const list = broker.showsUnacknowledged
    ? byConnections(broker, team, queueName)
    : byCount(broker, team, queueName);
  return {
    list,
    async nobody() {
      const deadline = performance.now() + NOBODY_LIMIT_MS;
      for (;;) {
        const consumers = await list();
        if (consumers?.length === 0) return true;
        if (consumers === null || performance.now() > deadline) return false;
        await pause(NOBODY_INTERVAL_MS);
      }
    },
    async isComplete(answered) {
      const count = await broker.consumerCount();
      return count !== null && team.consumersAmong(answered) >= count;
    },
  };
}

/** A worker that looks for its neighbours when it starts (mingle, Celery's default) hears nobody for a second or more. */
const DEAF_LIMIT_MS = 5_000;
const DEAF_INTERVAL_MS = 500;

function byConnections(broker: CeleryBroker, team: Team, queueName: string): ConsumerView['list'] {
  /** The connections that the last question was about, and whether any of them may be the queue's. */
  let known = new Set<string>();
  let ofThisQueue = true;
  /** Until when those that have not told all of it are asked again, and when next. */
  let askUntilMs = 0;
  let askAtMs = 0;
  return async () => {
    const connections = await broker.connections();
    if (connections === null || connections.length === 0) {
      known = new Set();
      return connections;
    }
    const nowMs = performance.now();
    const changed = connections.length !== known.size || connections.some(({ id }) => !known.has(id));
    if (changed) askUntilMs = nowMs + DEAF_LIMIT_MS;
    if (changed || (nowMs < askUntilMs && nowMs >= askAtMs)) {
      const workers = await team.learn(connections.length, 'all', changed ? undefined : 0);
      known = new Set(connections.map(({ id }) => id));
      ofThisQueue =
        workers.length < connections.length || workers.some((facts) => consumes(facts, queueName) !== false);
      if (workers.length >= connections.length && workers.every(isToldWhole)) askUntilMs = 0;
      askAtMs = performance.now() + DEAF_INTERVAL_MS;
    }
    return ofThisQueue ? connections.map(withoutSince) : [];
  };
}

function withoutSince({ id, name, address, port, pid }: Consumer): Connection {
  return { id, name, address, port, pid };
}

/** Asked again after this long, for a worker that was replaced between two looks. */
const COUNT_FRESH_MS = 1_000;

function byCount(broker: CeleryBroker, team: Team, queueName: string): ConsumerView['list'] {
  let known: readonly WorkerFacts[] = [];
  let count = -1;
  let askedAtMs = -Infinity;
  return async () => {
    const now = await broker.consumerCount();
    if (now === null) return null;
    if (now !== count || performance.now() - askedAtMs > COUNT_FRESH_MS) {
      const answered =
        now === 0
          ? []
          : (await team.learn(now, 'queue')).filter((facts) => consumes(facts, queueName) !== false);
      const silent = known.filter(({ host }) => !answered.some((facts) => facts.host === host));
      // One that is busy keeps its place; when there are fewer than before, the silent ones are the ones that went.
      known = [...answered, ...silent].slice(0, Math.max(now, answered.length));
      count = now;
      askedAtMs = performance.now();
    }
    const named = known.slice(0, now).map((facts) => ({
      id: `${facts.host} ${facts.pid ?? ''}`.trim(),
      name: facts.host,
      address: null,
      port: null,
      pid: localPid(facts),
    }));
    const unnamed = Array.from({ length: Math.max(0, now - named.length) }, (_, index) => ({
      id: `consumer ${index + 1}`,
      name: '',
      address: null,
      port: null,
      pid: null,
    }));
    return [...named, ...unnamed];
  };
}
