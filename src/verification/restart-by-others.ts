/**
 * Step 5 where somebody else restarts the worker: a person by the panel, or the user's own stop and start commands.
 * Neither is trusted: the old worker is gone when its process has ended, or, where the process cannot be seen, when
 * its connections have; and a new one is there when it is connected.
 */
import { connectionOf } from '../core/attribution.ts';
import { isTerminal, type Connection, type ProcessInfo } from '../core/event.ts';
import { placeHold, terminateBackends, type Hold } from '../jobs/hold.ts';
import { databaseConnections } from '../workers/presence.ts';
import { isAlive } from '../workers/process-table.ts';
import { workerTree } from '../workers/worker-tree.ts';
import { connectionsEnded, recordGone } from './after-gone.ts';
import type { BrokerWatch } from './broker-watch.ts';
import {
  hasEnded,
  pause,
  record,
  subjectChanges,
  until,
  type InFlight,
  type RestartSeen,
} from './context.ts';
import { mainProcessOf, withProcesses } from './holders.ts';
import { runCommand } from './run-command.ts';

/** The worker that holds the job, as far as it can be seen from outside. */
interface Holder {
  readonly main: ProcessInfo | null;
  readonly processes: readonly ProcessInfo[];
  /** Its connections to the database; empty behind a pooler. */
  readonly database: ReadonlySet<string>;
  /** The consumers of the queue that belong to it: by its process, else all there were. */
  readonly consumers: ReadonlySet<string>;
  /** Every consumer that was there before: none of them is a new worker. */
  readonly consumersBefore: ReadonlySet<string>;
}

const WATCH_INTERVAL_MS = 50;
/** How often a person is asked before the run is given up. */
const MOST_ATTEMPTS = 3;
/** How long after "done" a new worker may take to connect. */
const NEW_WORKER_TIMEOUT_MS = 15_000;
/** How long the user's stop command may leave the worker time to go. */
const STOP_COMMAND_TIMEOUT_MS = 60_000;

export async function restartByOperator(run: InFlight, broker: BrokerWatch): Promise<void> {
  const { operator } = run;
  if (operator === null) throw new Error('there is nobody to ask');
  // The hold comes first: finding out who holds the job takes longer than a small job does.
  const hold = await holdSubject(run);
  if (hasEnded(run, run.subject.id)) {
    await hold?.release();
    record(run, { kind: 'note', code: 'ended-before-hold', text: 'the job ended before it could be held' });
    return;
  }
  const holder = await identifyHolder(run);
  const watch = watchHolder(run, holder, broker, hold);
  try {
    await broker.look();
    let refuted: string | null = null;
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
      record(run, { kind: 'operator:asked', attempt });
      const answer = await operator.ask(
        {
          attempt,
          worker: holder.main === null ? null : { pid: holder.main.pid, command: holder.main.command },
          polite: run.scenario.polite,
          refuted,
          gone: watch.isGone(),
          startCommand: run.settings.worker.startCommand ?? run.settings.worker.command,
          held: hold !== null,
        },
        run.signal,
        watch.seen,
      );
      record(run, { kind: 'operator:answered', attempt, answer });
      refuted = answer === 'gave-up' ? 'given up by the operator' : await watch.refutation();
      if (refuted === null) return;
      record(run, { kind: 'operator:refuted', attempt, reason: refuted });
      if (answer === 'gave-up') break;
    }
    // Before that the next panel says it.
    record(run, { kind: 'note', code: 'restart-refuted', text: refuted ?? '' });
  } finally {
    await watch.end();
  }
}

export async function restartByCommands(
  run: InFlight,
  broker: BrokerWatch,
  commands: { readonly stop: string; readonly start: string },
): Promise<void> {
  const holder = await identifyHolder(run);
  const watch = watchHolder(run, holder, broker, null);
  try {
    await broker.look();
    if (run.disarmed) {
      record(run, { kind: 'fault:disarmed', fault: run.redact(commands.stop) });
      return;
    }
    record(run, {
      kind: 'fault:injected',
      fault: run.redact(commands.stop),
      incarnation: 1,
      signal: null,
      reach: null,
      pids: holder.processes.map((process) => process.pid),
    });
    await runCommand(run, commands.stop, '--worker-stop');
    await watch.oldGone(STOP_COMMAND_TIMEOUT_MS);
    await runCommand(run, commands.start, '--worker-start');
    await watch.refutation();
  } finally {
    await watch.end();
  }
}

async function identifyHolder(run: InFlight): Promise<Holder> {
  const writer = subjectChanges(run).findLast((version) => version.values?.state === 'processing')?.writer;
  const database = await withProcesses(run, await databaseConnections(run.database), 'database');
  const consumers = await withProcesses(run, (await run.queue.consumers()) ?? [], 'broker');
  record(run, {
    kind: 'presence:snapshot',
    reason: 'before the restart',
    database: database.connections,
    broker: consumers.connections,
  });
  const connection = writer === undefined ? undefined : connectionOf(writer);
  const writing = database.connections.find(({ id }) => id === connection);
  const pid = writing?.pid ?? onlyPid(consumers.connections);
  const main = pid === null ? null : await mainProcessOf(run, pid);
  const processes =
    main === null ? [] : (await workerTree({ root: main, marker: null, redact: run.redact })).processes;
  record(run, { kind: 'holder:identified', job: run.subject.id, connection: connection ?? '', pid, main });
  record(run, {
    kind: 'worker:started',
    incarnation: 1,
    by: run.operator === null ? 'command' : 'operator',
    pid: main?.pid ?? null,
    command: main?.command ?? null,
  });
  if (main !== null) {
    record(run, { kind: 'worker:processes', incarnation: 1, mainPid: main.pid, processes });
  }
  const pids = new Set(processes.map((process) => process.pid));
  const own = (connections: readonly Connection[]): ReadonlySet<string> =>
    new Set(connections.filter((each) => each.pid !== null && pids.has(each.pid)).map((each) => each.id));
  const ownConsumers = own(consumers.connections);
  const all = new Set(consumers.connections.map((each) => each.id));
  return {
    main,
    processes,
    database: new Set([
      ...own(database.connections),
      ...(connection === undefined || run.pooled ? [] : [connection]),
    ]),
    consumers: ownConsumers.size > 0 ? ownConsumers : all,
    consumersBefore: all,
  };
}

/** Where only one process consumes the queue, it is the one that holds the job. */
function onlyPid(connections: readonly Connection[]): number | null {
  const pids = new Set(connections.map((connection) => connection.pid));
  const [pid] = pids;
  return pids.size === 1 && pid !== undefined ? pid : null;
}

async function holdSubject(run: InFlight): Promise<Hold | null> {
  const { hold } = run.settings;
  if (hold === 'off') return null;
  const job = run.subject.id;
  if (run.database === null || run.table === null) {
    record(run, { kind: 'hold:refused', job, reason: 'there is no access to the database' });
    return null;
  }
  const { leaseUntil, heartbeatAt } = run.table.roles;
  if (hold === 'auto' && (leaseUntil !== undefined || heartbeatAt !== undefined)) {
    record(run, {
      kind: 'hold:refused',
      job,
      reason: 'the row carries a lease or heartbeat, which a hold would starve',
    });
    return null;
  }
  if (hold === 'auto' && run.scenario.polite) {
    record(run, {
      kind: 'hold:refused',
      job,
      reason: 'a polite stop waits for the job, which a hold would keep from ending',
    });
    return null;
  }
  const placed = await placeHold(run.database, run.table, job);
  if (typeof placed === 'string') {
    record(run, { kind: 'hold:refused', job, reason: placed });
    return null;
  }
  await run.observer.catchUp();
  record(run, { kind: 'hold:placed', job, backendPid: placed.backendPid });
  return placed;
}

interface HolderWatch {
  readonly seen: RestartSeen;
  /** The old worker is known to be gone. */
  isGone(): boolean;
  /** Waits until the old worker is gone; @returns whether it is */
  oldGone(timeoutMs: number): Promise<boolean>;
  /** Why the restart cannot be accepted as done; `null`: the old worker is gone and a new one is there. */
  refutation(): Promise<string | null>;
  end(): Promise<void>;
}

/**
 * Watches the holder while the person acts. As soon as it is gone, the backends of the dead that wait for the hold are
 * ended, so that no write of theirs lands, and the hold is released: the new worker must not wait for the person.
 */
function watchHolder(run: InFlight, holder: Holder, broker: BrokerWatch, hold: Hold | null): HolderWatch {
  const gone = new AbortController();
  const isOldGone = (): boolean => gone.signal.aborted;
  const stopping = new AbortController();
  const restarted = new AbortController();
  let newWorker = false;
  let released = false;
  const heldFromMs = run.recorder.now();
  const recordBroken = async (): Promise<void> => {
    const reason = await hold?.broken;
    if (reason !== undefined && !released) record(run, { kind: 'hold:broken', job: run.subject.id, reason });
  };
  void recordBroken();

  const release = async (): Promise<void> => {
    if (hold === null || released) return;
    released = true;
    const blocked = isOldGone() ? await blockedByTheDead(run, holder, hold) : [];
    const alive = await terminateBackends(run.database, blocked);
    // Behind a pooler whose statement waits cannot be told: what it writes now is taken for the dead worker's.
    const untold = isOldGone() && run.pooled ? await hold.blocked() : [];
    const left = [...new Set([...alive, ...untold])];
    await hold.release();
    const terminated = blocked.filter((pid) => !left.includes(pid));
    record(run, {
      kind: 'hold:released',
      job: run.subject.id,
      heldMs: run.recorder.now() - heldFromMs,
      terminatedBackends: terminated,
      leftBackends: left,
    });
  };

  const look = async (): Promise<void> => {
    if (!isOldGone() && (await isGone(run, holder))) {
      gone.abort();
      await settleGone();
    }
    if (isOldGone() && !newWorker) newWorker = await seeNewWorker(run, holder);
    if (isOldGone() && newWorker) restarted.abort();
  };

  const settleGone = async (): Promise<void> => {
    const proof = holder.main === null ? 'connections' : 'processes';
    // A blocked backend of the dead does not notice: it is ended before its connection can be seen to end.
    const blocked = hold === null ? [] : await blockedByTheDead(run, holder, hold);
    await terminateBackends(run.database, blocked);
    const connectionsGone = await connectionsEnded(run, holder.database);
    await recordGone(run, broker, { incarnation: 1, proof, connectionsGone });
    await release();
  };

  const watching = (async () => {
    while (!stopping.signal.aborted && !run.signal.aborted) {
      await look();
      await pause(run, WATCH_INTERVAL_MS);
    }
  })().catch((error: unknown) => {
    if (!run.signal.aborted && !stopping.signal.aborted) {
      const text = `the watch on the worker broke: ${error instanceof Error ? error.message : String(error)}`;
      record(run, { kind: 'note', code: 'watch-broken', text });
    }
  });

  /** A worker that has brought the job to its end need not be waited for any longer than its grace. */
  const oldGone = async (timeoutMs: number): Promise<boolean> => {
    let endedAtMs: number | null = null;
    const found = await until(run, timeoutMs, WATCH_INTERVAL_MS, () => {
      if (isOldGone()) return true;
      if (hasEnded(run, run.subject.id)) endedAtMs ??= performance.now();
      const overdue = endedAtMs !== null && performance.now() - endedAtMs > run.settings.worker.stopGraceMs;
      return overdue ? false : undefined;
    });
    return found ?? false;
  };

  return {
    seen: { gone: gone.signal, restarted: restarted.signal },
    isGone: isOldGone,
    oldGone,
    async refutation() {
      // A worker that was killed a moment ago takes a moment to be seen gone.
      if (!(await oldGone(1_000))) {
        const pids = await livingPids(holder);
        record(run, {
          kind: 'worker:still-there',
          incarnation: 1,
          pids,
          connections: pids.length > 0 ? [] : [...holder.consumers],
        });
        return describeStillThere(run, holder, pids);
      }
      const there = await until(run, NEW_WORKER_TIMEOUT_MS, WATCH_INTERVAL_MS, () =>
        newWorker ? true : undefined,
      );
      return there === true ? null : `no new worker is connected to the queue ${run.queue.queueName}`;
    },
    async end() {
      stopping.abort();
      await watching;
      await release();
    },
  };
}

async function isGone(run: InFlight, holder: Holder): Promise<boolean> {
  if (holder.main !== null) return (await livingPids(holder)).length === 0;
  const consumers = await run.queue.consumers();
  if (consumers === null || holder.consumers.size === 0) {
    const database = await databaseConnections(run.database);
    return !run.pooled && holder.database.size > 0 && !database.some(({ id }) => holder.database.has(id));
  }
  return !consumers.some(({ id }) => holder.consumers.has(id));
}

async function livingPids(holder: Holder): Promise<readonly number[]> {
  const alive = await Promise.all(
    holder.processes.map(async (process) => ((await isAlive(process)) ? process.pid : null)),
  );
  return alive.filter((pid): pid is number => pid !== null);
}

function describeStillThere(run: InFlight, { main }: Holder, pids: readonly number[]): string {
  const ended = subjectChanges(run).findLast((version) => version.values !== null);
  const end =
    ended?.values != null && isTerminal(ended.values.state)
      ? `; the job is ${ended.values.status ?? ended.values.state} meanwhile`
      : '';
  // The one that a person was asked to kill stands for its children.
  const told = main !== null && pids.includes(main.pid) ? [main.pid] : pids;
  const seen = told.length > 0 ? `lives on (pid ${told.join(', ')})` : 'is still connected';
  return `worker #1 ${seen}: it was not restarted${end}`;
}

/** Blocked backends whose client is gone: their process has ended, so nobody waits for what they would write. */
async function blockedByTheDead(run: InFlight, holder: Holder, hold: Hold): Promise<readonly number[]> {
  const blocked = await hold.blocked();
  if (blocked.length === 0) return [];
  const { connections } = await withProcesses(run, await databaseConnections(run.database), 'database');
  return blocked.filter((pid) =>
    connections.some(
      (connection) =>
        connection.id.startsWith(`${pid}@`) && connection.pid === null && holder.database.has(connection.id),
    ),
  );
}

async function seeNewWorker(run: InFlight, holder: Holder): Promise<boolean> {
  const consumers = await run.queue.consumers();
  if (consumers === null) return seeNewDatabaseConnection(run, holder);
  const fresh = consumers.filter(({ id }) => !holder.consumersBefore.has(id));
  if (fresh.length === 0) return false;
  const named = await withProcesses(run, fresh, 'broker');
  const pid = named.connections.find((connection) => connection.pid !== null)?.pid ?? null;
  await recordNewWorker(run, pid);
  return true;
}

/** Where the broker does not tell: a connection to the database by a process that was not there. */
async function seeNewDatabaseConnection(run: InFlight, holder: Holder): Promise<boolean> {
  const known = new Set(run.recorder.latest('presence:snapshot')?.database.map(({ id }) => id));
  const { connections } = await withProcesses(run, await databaseConnections(run.database), 'database');
  const old = new Set(holder.processes.map((process) => process.pid));
  const fresh = connections.find(({ id, pid }) => !known.has(id) && (pid === null || !old.has(pid)));
  if (fresh === undefined) return false;
  await recordNewWorker(run, fresh.pid);
  return true;
}

async function recordNewWorker(run: InFlight, pid: number | null): Promise<void> {
  const main = pid === null ? null : await mainProcessOf(run, pid);
  const by = run.operator === null ? 'command' : 'operator';
  record(run, {
    kind: 'worker:started',
    incarnation: 2,
    by,
    pid: main?.pid ?? pid,
    command: main?.command ?? null,
  });
  if (main !== null) {
    const { processes } = await workerTree({ root: main, marker: null, redact: run.redact });
    record(run, { kind: 'worker:processes', incarnation: 2, mainPid: main.pid, processes });
  }
  const { connections } = await withProcesses(run, await databaseConnections(run.database), 'database');
  record(run, { kind: 'presence:snapshot', reason: 'a new worker', database: connections, broker: [] });
  record(run, { kind: 'worker:ready', incarnation: 2, by: 'connection' });
}
