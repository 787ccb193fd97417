/** Step 5 where the harness restarts the worker: the scenario's steps, one after the other, each with its proof. */
import { isTerminal, type ProcessInfo, type Reach, type SignalName } from '../core/event.ts';
import type { Scenario } from '../core/scenario.ts';
import { signalProcesses } from '../workers/kill-tree.ts';
import type { WorkerProcess } from '../workers/process-worker.ts';
import type { WorkerTree } from '../workers/worker-tree.ts';
import { connectionsEnded, connectionsOf, lastWriterOf, recordGone } from './after-gone.ts';
import type { BrokerWatch } from './broker-watch.ts';
import { pause, record, subjectChanges, until, type InFlight } from './context.ts';
import { consumerIds, type HarnessWorkers } from './harness-workers.ts';

type Step = Scenario['steps'][number];

interface Struck {
  readonly life: WorkerProcess;
  readonly tree: WorkerTree;
  readonly connections: ReadonlySet<string>;
  readonly consumersBefore: ReadonlySet<string>;
}

/** Knows at any moment whom to strike, so that the strike comes without a look first: a small job is done in a blink. */
export interface StrikeReadiness extends AsyncDisposable {
  readonly now: () => Struck;
}

const REFRESH_INTERVAL_MS = 50;

/** Looks at the worker's processes and connections again and again until it is disposed. */
export async function readyToStrike(run: InFlight, workers: HarnessWorkers): Promise<StrikeReadiness> {
  const life = workers.current;
  let latest = await lookAt(run, life);
  const stopping = new AbortController();
  const refreshing = (async () => {
    while (!stopping.signal.aborted && !run.signal.aborted) {
      await pause(run, REFRESH_INTERVAL_MS);
      if (!stopping.signal.aborted) latest = await lookAt(run, life);
    }
  })().catch(() => undefined);
  return {
    now: () => latest,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await refreshing;
    },
  };
}

async function lookAt(run: InFlight, life: WorkerProcess): Promise<Struck> {
  const tree = await life.tree();
  const pids = new Set(tree.processes.map((process) => process.pid));
  const connections = await connectionsOf(run, life.incarnation, pids);
  return { life, tree, connections, consumersBefore: await consumerIds(run) };
}

export async function restartByHarness(
  run: InFlight,
  workers: HarnessWorkers,
  broker: BrokerWatch,
  readiness: StrikeReadiness,
): Promise<void> {
  const looked = readiness.now();
  let struck: Struck = { ...looked, connections: new Set([...looked.connections, ...lastWriterOf(run)]) };
  let isGone = false;
  recordProcesses(run, struck);
  for (const step of run.scenario.steps) {
    const isStop = step.kind === 'signal' || step.kind === 'await-exit';
    if (isGone && isStop) {
      // A further stop is for the next life; where nobody is left there is nothing to stop.
      const next = workers.after(struck.life);
      if (next === null) continue;
      struck = await lookAt(run, next);
      isGone = false;
      recordProcesses(run, struck);
    }
    const goesOn = await perform(run, step, struck, workers, broker);
    if (!goesOn) return;
    isGone ||= step.kind === 'await-exit' && !run.disarmed;
  }
}

function recordProcesses(run: InFlight, { life, tree }: Struck): void {
  record(run, {
    kind: 'worker:processes',
    incarnation: life.incarnation,
    mainPid: tree.main?.pid ?? life.pid,
    processes: tree.processes,
  });
}

/** @returns whether the scenario can go on */
async function perform(
  run: InFlight,
  step: Step,
  struck: Struck,
  workers: HarnessWorkers,
  broker: BrokerWatch,
): Promise<boolean> {
  switch (step.kind) {
    case 'signal':
      return signal(run, step.signal, step.reach, struck, workers);
    case 'await-exit':
      return awaitExit(run, step.thenKillAfterMs, struck, workers, broker);
    case 'wait':
      await pause(run, step.ms);
      return true;
    case 'start': {
      if (run.disarmed) return true;
      const next = await workers.start();
      const ready = await workers.awaitReady(next, struck.consumersBefore, run.settings.processingTimeoutMs);
      const { processes, main } = await next.tree();
      if (ready) {
        record(run, {
          kind: 'worker:processes',
          incarnation: next.incarnation,
          mainPid: main?.pid ?? next.pid,
          processes,
        });
      }
      return true;
    }
  }
}

async function signal(
  run: InFlight,
  name: SignalName,
  reach: Reach,
  struck: Struck,
  workers: HarnessWorkers,
): Promise<boolean> {
  const { life } = struck;
  const fault = `${name} (${reach})`;
  if (run.disarmed) {
    record(run, { kind: 'fault:disarmed', fault });
    return true;
  }
  workers.expectEnd(life);
  const { incarnation } = life;
  const targets = targetsOf(struck.tree, reach);
  record(run, {
    kind: 'fault:injected',
    fault,
    incarnation,
    signal: name,
    reach,
    pids: targets.map((process) => process.pid),
  });
  if (name === 'SIGKILL' && reach === 'tree') {
    life.killGroupNow();
    await life.kill();
  } else {
    await signalProcesses(targets, name);
  }
  return true;
}

/** Whom the signal is sent to, the main process first. */
function targetsOf({ main, processes }: WorkerTree, reach: Reach): readonly ProcessInfo[] {
  if (main === null) return [];
  const others = processes.filter((process) => process.pid !== main.pid);
  switch (reach) {
    case 'tree':
      return [main, ...others];
    case 'group':
      return [main, ...others.filter((process) => process.groupId === main.groupId)];
    case 'process':
      return [main];
    case 'child':
      return others.filter((process) => process.parentPid === main.pid);
  }
}

/** How often the tree of a worker that is to leave is looked at. */
const EXIT_INTERVAL_MS = 10;

async function awaitExit(
  run: InFlight,
  thenKillAfterMs: number | 'grace' | null,
  { life, connections, consumersBefore }: Struck,
  workers: HarnessWorkers,
  broker: BrokerWatch,
): Promise<boolean> {
  if (run.disarmed) return true;
  const { stopGraceMs } = run.settings.worker;
  const killAfterMs = thenKillAfterMs === 'grace' ? stopGraceMs : thenKillAfterMs;
  let left = await awaitNobody(run, life, killAfterMs);
  if (left.length > 0 && killAfterMs !== null) {
    const pids = left.map((process) => process.pid);
    const fault = 'SIGKILL after the grace period';
    record(run, {
      kind: 'fault:injected',
      fault,
      incarnation: life.incarnation,
      signal: 'SIGKILL',
      reach: 'tree',
      pids,
    });
    await life.kill();
    left = (await life.tree()).processes;
  }
  if (left.length > 0) {
    const pids = left.map((process) => process.pid);
    record(run, { kind: 'worker:still-there', incarnation: life.incarnation, pids, connections: [] });
    workers.expectEnd(life);
    return false;
  }
  const consuming = await stillConsuming(run, consumersBefore);
  if (consuming.length > 0) {
    // Whatever was struck, the worker that consumes the queue was not: a daemon that the command left behind.
    record(run, {
      kind: 'worker:still-there',
      incarnation: life.incarnation,
      pids: [],
      connections: consuming,
    });
    return false;
  }
  const connectionsGone = await connectionsEnded(run, connections);
  await recordGone(run, broker, { incarnation: life.incarnation, proof: 'processes', connectionsGone });
  return true;
}

/** How long the broker may take to see that a consumer is gone. */
const CONSUMERS_GONE_TIMEOUT_MS = 5_000;

/** Of the consumers that were there before the strike, those that the broker still has. */
async function stillConsuming(run: InFlight, before: ReadonlySet<string>): Promise<readonly string[]> {
  let left: readonly string[] = [];
  await until(run, CONSUMERS_GONE_TIMEOUT_MS, EXIT_INTERVAL_MS, async () => {
    const now = await consumerIds(run);
    left = [...before].filter((id) => now.has(id));
    return left.length === 0 ? true : undefined;
  });
  return left;
}

/**
 * Waits until nothing of the worker is left. Without a limit of its own it may take as long as the job in hand, and
 * the stop grace more.
 */
async function awaitNobody(
  run: InFlight,
  life: WorkerProcess,
  limitMs: number | null,
): Promise<readonly ProcessInfo[]> {
  let left: readonly ProcessInfo[] = [];
  let jobEndedAtMs: number | null = null;
  await until(run, limitMs ?? run.settings.terminalTimeoutMs, EXIT_INTERVAL_MS, async () => {
    left = (await life.tree()).processes;
    if (left.length === 0) return true;
    const last = subjectChanges(run).at(-1);
    if (last?.values == null || isTerminal(last.values.state)) jobEndedAtMs ??= performance.now();
    const overdue =
      jobEndedAtMs !== null && performance.now() - jobEndedAtMs > run.settings.worker.stopGraceMs;
    return limitMs === null && overdue ? true : undefined;
  });
  return left;
}
