/**
 * Which process of a tree is the worker itself: the one that an orchestrator would signal and a person should kill.
 * Pure functions of a process table.
 */
import type { ProcessInfo } from '../core/event.ts';
import { programOf } from './command-line.ts';
import { ancestors, descendants, type ProcessTable } from './process-tree.ts';
import { isHelper, isSupervisor, isWrapper, wraps } from './wrappers.ts';

/**
 * The worker in a tree, seen through its wrappers; `null` if the tree is empty.
 *
 * From the root, downward while the process is a wrapper and runs something. Where a wrapper runs several processes,
 * the worker is sought under the one with the most descendants, and among equals under the one that was started
 * last: a shell starts what it needs before what it is there for. What a worker itself starts (a prefork child, a
 * cluster's workers) is below it and is never reached, because a worker is no wrapper. A shell that runs helpers
 * alone (`sleep`, `psql`) is a worker written in shell.
 * If the root is gone, or is a wrapper whose worker has left it (a daemon), the tops of what is left are searched.
 */
export function mainOfTree(processes: readonly ProcessInfo[], rootPid: number): ProcessInfo | null {
  const table = new Map(processes.map((process) => [process.pid, process]));
  const root = table.get(rootPid);
  const main = root === undefined ? null : below(table, root);
  if (main !== null && !isWrapper(main)) return main;
  const tops = processes.filter(
    (process) => process.pid !== rootPid && !table.has(process.parentPid) && !isHelper(process),
  );
  const top = likeliest(table, tops);
  return top === null ? (main ?? processes[0] ?? null) : below(table, top);
}

/**
 * The worker that the process `pid` belongs to, which was found by one of its connections and may be a pool child;
 * `null` if it is gone. From it upward while the parent runs the same program and the process is a part of it.
 */
export function mainOf(pid: number, table: ProcessTable): ProcessInfo | null {
  let main = table.get(pid) ?? null;
  for (const parent of main === null ? [] : ancestors(table, pid)) {
    if (main === null || !isPartOf(main, parent)) break;
    main = parent;
  }
  return main;
}

function below(table: ProcessTable, from: ProcessInfo): ProcessInfo {
  let main = from;
  for (;;) {
    const parent = main;
    const candidates = [...table.values()].filter(
      (process) => process.parentPid === parent.pid && wraps(parent, process),
    );
    const child = likeliest(table, candidates);
    if (child === null) return main;
    main = child;
  }
}

function likeliest(table: ProcessTable, candidates: readonly ProcessInfo[]): ProcessInfo | null {
  return candidates.reduce<ProcessInfo | null>((best, candidate) => {
    if (best === null) return candidate;
    const more = descendants(table, candidate.pid).length - descendants(table, best.pid).length;
    return more > 0 || (more === 0 && startedAfter(candidate, best)) ? candidate : best;
  }, null);
}

function startedAfter(left: ProcessInfo, right: ProcessInfo): boolean {
  const order = left.startToken.localeCompare(right.startToken, 'en', { numeric: true });
  return order === 0 ? left.pid > right.pid : order > 0;
}

/** Child processes of pools that run a program file of their library, not the worker's script. */
const POOL_CHILDREN = [
  /\/bullmq\/dist\/.*\/main(?:-base|-worker)?\.js\b/u,
  /multiprocessing[./](?:spawn|forkserver|resource_tracker)|--multiprocessing-fork/u,
  /\bloky[./]backend\b/u,
  /\/(?:jest-worker|workerpool|tinypool|piscina)\/.*\.[cm]?js\b/u,
];

/** Whether `child` is no program of its own, but a process of the pool that `parent` keeps. */
function isPartOf(child: ProcessInfo, parent: ProcessInfo): boolean {
  if (isWrapper(parent) || isSupervisor(parent)) return false;
  // Without an exec it can only run what its parent runs, whatever title it has given itself.
  if (child.forked === true || child.command === parent.command) return true;
  const program = programOf(child.command);
  const parentProgram = programOf(parent.command);
  if (program.name !== parentProgram.name) return false;
  if (POOL_CHILDREN.some((pattern) => pattern.test(child.command))) return true;
  // Node's cluster starts the script anew, by its absolute path and with the same arguments.
  return (
    program.scriptName !== null &&
    program.scriptName === parentProgram.scriptName &&
    program.arguments.join(' ') === parentProgram.arguments.join(' ')
  );
}
