/**
 * Signals to processes, so that they reach whom they are meant for and nobody else. Each one is checked right before
 * its signal to be the process that was found, and not a new one with its pid; init, the harness and its ancestors
 * never get one.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessInfo, SignalName } from '../core/event.ts';
import { lastLinuxPid } from './linux-processes.ts';
import { isAlive, readProcesses } from './process-table.ts';
import { ancestors, parentsFirst } from './process-tree.ts';

export interface SignalResult {
  /** Who got the signal, in order. */
  readonly sent: readonly number[];
  /** Who was gone before. */
  readonly gone: readonly number[];
  /** Whom the system did not let us signal (processes of another user), and whom we never signal. */
  readonly refused: readonly number[];
}

export interface KillTreeOptions {
  /** What is to be killed, as it is at the moment of the call. Called again until it finds nothing. */
  readonly find: () => Promise<readonly ProcessInfo[]>;
  /** Process groups that were made by the tree, and so hold nothing else: they get the signal as a whole. */
  readonly groups?: readonly number[];
  readonly deadlineMs: number;
}

/** `goneAfterMs`, since the first signal, is when nothing was found any more. */
export type KillResult =
  | { readonly kind: 'gone'; readonly pids: readonly number[]; readonly goneAfterMs: number }
  | {
      readonly kind: 'still-there';
      readonly pids: readonly number[];
      readonly alive: readonly ProcessInfo[];
      /** Those of them that could not be signalled. */
      readonly refused: readonly number[];
    };

const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 20;

/** So many looks that find nothing are believed even on a machine where something is started during each of them. */
const EMPTY_LOOKS = 20;

/**
 * SIGKILL to all that is found, parents first so that none starts another child for one that is lost, and again until
 * nothing is left: children that were forked between the look and the signal are found by the next look.
 * Groups are killed as a whole, and first, whether anything of them is found or not: a process that forks and ends at
 * once is never there when it is looked at, but no fork escapes a signal to its group. For the same reason a look
 * that finds nothing counts only if no process was started while it lasted.
 * A process that cannot be signalled counts as still there. Throws only what `find` throws.
 */
export async function killTree(options: KillTreeOptions): Promise<KillResult> {
  const own = await ownLine();
  const ownGroups = new Set([0, 1, ...own.map((process) => process.groupId)]);
  const groups = (options.groups ?? []).filter((group) => !ownGroups.has(group));
  const pids = new Set<number>();
  const refused = new Set<number>();
  let started: number | null = null;
  let emptySince: number | null = null;
  let emptyLooks = 0;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const pidBefore = lastLinuxPid();
    const found = await options.find();
    const now = performance.now();
    started ??= now;
    if (now - started > options.deadlineMs && found.length > 0)
      return { kind: 'still-there', pids: [...pids], alive: found, refused: [...refused] };
    for (const group of groups)
      if (sendSignal(-group, 'SIGKILL') === 'sent')
        for (const process of found) if (process.groupId === group) pids.add(process.pid);
    if (found.length === 0) {
      emptySince ??= now;
      emptyLooks += 1;
      // The group may have had a process that was not found: only a look after its end tells.
      const conclusive = pidBefore === lastLinuxPid() && (groups.length === 0 || emptyLooks > 1);
      if (!conclusive && emptyLooks < EMPTY_LOOKS) {
        await delay(FIRST_PAUSE_MS);
        continue;
      }
      const goneAfterMs = pids.size === 0 ? 0 : Math.round(emptySince - started);
      return { kind: 'gone', pids: [...pids], goneAfterMs };
    }
    emptySince = null;
    emptyLooks = 0;
    const result = await signalEach(parentsFirst(found), 'SIGKILL', own);
    for (const pid of result.sent) pids.add(pid);
    for (const pid of result.refused) {
      refused.add(pid);
      pids.delete(pid);
    }
    await delay(pauseMs);
  }
}

/** One signal to each of the processes, in the order given. Never throws for a process that is gone or refused. */
export async function signalProcesses(
  processes: readonly ProcessInfo[],
  signal: SignalName,
): Promise<SignalResult> {
  return signalEach(processes, signal, await ownLine());
}

async function signalEach(
  processes: readonly ProcessInfo[],
  signal: SignalName,
  own: readonly ProcessInfo[],
): Promise<SignalResult> {
  const barred = new Set([process.pid, ...own.map((process) => process.pid)]);
  const outcomes = { sent: [] as number[], gone: [] as number[], refused: [] as number[] };
  for (const target of processes) {
    if (target.pid <= 1 || barred.has(target.pid)) outcomes.refused.push(target.pid);
    else outcomes[(await isAlive(target)) ? sendSignal(target.pid, signal) : 'gone'].push(target.pid);
  }
  return outcomes;
}

/** A negative pid is a process group, as kill(2) has it. */
function sendSignal(pid: number, signal: SignalName): keyof SignalResult {
  try {
    process.kill(pid, signal);
    return 'sent';
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH' ? 'gone' : 'refused';
  }
}

/** The harness and its ancestors. */
async function ownLine(): Promise<readonly ProcessInfo[]> {
  const table = await readProcesses();
  const own = table.get(process.pid);
  return [...(own === undefined ? [] : [own]), ...ancestors(table, process.pid)];
}
