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
  readonly incarnation: number;
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
  const { incarnation } = life;
  return { life, incarnation, tree, connections, consumersBefore: await consumerIds(run) };
}

export async function restartByHarness(
  run: InFlight,
  workers: HarnessWorkers,
  broker: BrokerWatch,
  readiness: StrikeReadiness,
): Promise<void> {
  // A broker that could not be asked in time says nothing of who had the job: then a look is worth the delay.
  const asked = run.recorder.latest('broker:snapshot');
  if (asked === undefined || asked.state === 'waiting') await broker.look();
  const looked = readiness.now();
  let struck: Struck = { ...looked, connections: new Set([...looked.connections, ...lastWriterOf(run)]) };
  let isGone = false;
  recordProcesses(run, struck);
  for (const step of run.scenario.steps) {
    const isStop = step.kind !== 'start' && step.kind !== 'wait';
    if (isGone && isStop) {
      // A further stop is for the next life; where nobody is left there is nothing to stop.
      const next = workers.after(struck.life);
      if (next === null) continue;
      struck = await lookAt(run, next);
      isGone = false;
      recordProcesses(run, struck);
    }
    const next = await perform(run, step, struck, workers, broker);
    if (next === null) return;
    struck = next;
    isGone ||= step.kind === 'await-exit' && !run.disarmed;
  }
}

function recordProcesses(run: InFlight, { life, incarnation, tree }: Struck): void {
  record(run, {
    kind: 'worker:processes',
    incarnation,
    mainPid: tree.main?.pid ?? life.pid,
    processes: tree.processes,
  });
}

/** @returns whom the next step is about; `null`: the scenario cannot go on */
async function perform(
  run: InFlight,
  step: Step,
  struck: Struck,
  workers: HarnessWorkers,
  broker: BrokerWatch,
): Promise<Struck | null> {
  switch (step.kind) {
    case 'signal':
      await signal(run, step.signal, step.reach, struck, workers);
      return struck;
    case 'await-exit':
      if (!(await awaitExit(run, step.thenKillAfterMs, struck, workers, broker))) return null;
      // All that consumed before are gone: whoever does now is new, by whatever name (RabbitMQ tells only how many).
      return run.disarmed ? struck : { ...struck, consumersBefore: new Set() };
    case 'await-children':
      return awaitChildren(run, step.thenKillAfterMs, struck, workers, broker);
    case 'wait':
      await pause(run, step.ms);
      return struck;
    case 'start': {
      if (run.disarmed) return struck;
      if (run.database === null) await watchForOthers(run);
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
      return struck;
    }
  }
}

const SHORTEST_WATCH_MS = 1_000;
const LONGEST_WATCH_MS = 60_000;

/**
 * Without access to the database nobody is seen to write: what another worker does would be taken for the next one's. So
 * for a while none is there, longer than a file took: what goes on is somebody else's.
 */
async function watchForOthers(run: InFlight): Promise<void> {
  const times = subjectChanges(run).map(({ atMs }) => atMs);
  const steps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? atMs));
  const ms = Math.round(Math.max(...steps, 0) * 1.5);
  await pause(run, Math.min(LONGEST_WATCH_MS, Math.max(SHORTEST_WATCH_MS, ms)));
}

async function signal(
  run: InFlight,
  name: SignalName,
  reach: Reach,
  struck: Struck,
  workers: HarnessWorkers,
): Promise<void> {
  const { life, incarnation } = struck;
  const fault = `${name} (${reach})`;
  if (run.disarmed) {
    record(run, { kind: 'fault:disarmed', fault });
    return;
  }
  if (reach !== 'child') workers.expectEnd(life);
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
  { life, incarnation, tree, connections, consumersBefore }: Struck,
  workers: HarnessWorkers,
  broker: BrokerWatch,
): Promise<boolean> {
  if (run.disarmed) return true;
  const { stopGraceMs } = run.settings.worker;
  const killAfterMs = thenKillAfterMs === 'grace' ? stopGraceMs : thenKillAfterMs;
  let left = await awaitNobody(run, { life, tree }, killAfterMs);
  if (left.length > 0 && killAfterMs !== null) {
    const pids = left.map((process) => process.pid);
    const fault = 'SIGKILL after the grace period';
    record(run, {
      kind: 'fault:injected',
      fault,
      incarnation,
      signal: 'SIGKILL',
      reach: 'tree',
      pids,
    });
    await life.kill();
    left = (await life.tree()).processes;
  }
  if (left.length > 0) {
    const pids = left.map((process) => process.pid);
    record(run, { kind: 'worker:still-there', incarnation, pids, connections: [] });
    workers.expectEnd(life);
    // Who runs a worker sees its main process alone, and starts it again when that is gone.
    return !isAmong(tree.main, left);
  }
  const consuming = await stillConsuming(run, consumersBefore);
  if (consuming.length > 0) {
    // Whatever was struck, the worker that consumes the queue was not: a daemon that the command left behind.
    record(run, {
      kind: 'worker:still-there',
      incarnation,
      pids: [],
      connections: consuming,
    });
    return false;
  }
  const connectionsGone = await connectionsEnded(run, connections);
  await recordGone(run, broker, { incarnation, proof: 'processes', connectionsGone });
  return true;
}

/** The children that got the signal go, and their parent starts others, which are a new incarnation of the worker. */
async function awaitChildren(
  run: InFlight,
  thenKillAfterMs: number | null,
  struck: Struck,
  workers: HarnessWorkers,
  broker: BrokerWatch,
): Promise<Struck | null> {
  const { life, incarnation, tree } = struck;
  const children = targetsOf(tree, 'child');
  if (run.disarmed || children.length === 0) return struck;
  const living = async (): Promise<readonly ProcessInfo[]> => {
    const now = new Map((await life.tree()).processes.map((process) => [process.pid, process]));
    return children.filter(({ pid, startToken }) => now.get(pid)?.startToken === startToken);
  };
  const gone = (limitMs: number): Promise<boolean | undefined> =>
    until(run, limitMs, EXIT_INTERVAL_MS, async () => ((await living()).length === 0 ? true : undefined));
  if (!(await gone(thenKillAfterMs ?? run.settings.terminalTimeoutMs)) && thenKillAfterMs !== null) {
    await signal(run, 'SIGKILL', 'child', struck, workers);
    await gone(CONSUMERS_GONE_TIMEOUT_MS);
  }
  const pids = (await living()).map(({ pid }) => pid);
  if (pids.length > 0) {
    record(run, { kind: 'worker:still-there', incarnation, pids, connections: [] });
    return null;
  }
  const connectionsGone = await connectionsEnded(run, new Set(lastWriterOf(run)));
  await recordGone(run, broker, { incarnation, proof: 'processes', connectionsGone });
  const next = await until(run, run.settings.processingTimeoutMs, EXIT_INTERVAL_MS, async () => {
    const now = await life.tree();
    // A parent that went with its children is followed by nobody but what the scenario starts.
    if (now.main === null) return 'nobody' as const;
    return targetsOf(now, 'child').length > 0 ? now : undefined;
  });
  if (next === undefined || next === 'nobody') return struck;
  const following = workers.goOn(life);
  const { processes, main } = next;
  record(run, {
    kind: 'worker:processes',
    incarnation: following,
    mainPid: main?.pid ?? life.pid,
    processes,
  });
  return { ...struck, incarnation: following, tree: next, connections: new Set(lastWriterOf(run)) };
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

function isAmong(wanted: ProcessInfo | null, processes: readonly ProcessInfo[]): boolean {
  return processes.some(({ pid }) => pid === wanted?.pid);
}

/** Children may follow their parent a moment later. */
const ORPHANS_FOLLOW_MS = 1_000;

/**
 * Waits until nothing of the worker is left. Without a limit of its own it may take as long as the job in hand, and
 * the stop grace more; children that do not follow their main process are not waited for.
 */
async function awaitNobody(
  run: InFlight,
  { life, tree }: Pick<Struck, 'life' | 'tree'>,
  limitMs: number | null,
): Promise<readonly ProcessInfo[]> {
  let left: readonly ProcessInfo[] = [];
  let jobEndedAtMs: number | null = null;
  let orphanedAtMs: number | null = null;
  await until(run, limitMs ?? run.settings.terminalTimeoutMs, EXIT_INTERVAL_MS, async () => {
    left = (await life.tree()).processes;
    if (left.length === 0) return true;
    orphanedAtMs = isAmong(tree.main, left) ? null : (orphanedAtMs ?? performance.now());
    if (limitMs === null && orphanedAtMs !== null && performance.now() - orphanedAtMs > ORPHANS_FOLLOW_MS) {
      return true;
    }
    const last = subjectChanges(run).at(-1);
    if (last?.values == null || isTerminal(last.values.state)) jobEndedAtMs ??= performance.now();
    const overdue =
      jobEndedAtMs !== null && performance.now() - jobEndedAtMs > run.settings.worker.stopGraceMs;
    return limitMs === null && overdue ? true : undefined;
  });
  return left;
}
