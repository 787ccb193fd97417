/** The processes of a worker as they are now. */
import type { ProcessInfo } from '../core/event.ts';
import { redactText } from '../core/redact.ts';
import { mainOfTree } from './main-process.ts';
import { findMarked } from './marked-processes.ts';
import { readProcesses, type Redact } from './process-table.ts';
import { treeOf, type ProcessIdentity } from './process-tree.ts';

export interface WorkerTree {
  /** The worker itself, seen through its wrappers; `null` if nothing of the tree lives. */
  readonly main: ProcessInfo | null;
  /** All of it, wrappers included, parents before their children. */
  readonly processes: readonly ProcessInfo[];
}

export interface WorkerTreeOptions {
  /** The process that was started; it may be gone. */
  readonly root: ProcessIdentity;
  /** The mark in the worker's environment; `null` for a worker that the harness did not start. */
  readonly marker: string | null;
  /** Processes that were seen in the tree before: they still count if they have left it since. */
  readonly known?: readonly ProcessIdentity[];
  readonly redact?: Redact;
}

/**
 * The union of what descends from the root, what is in the groups and sessions that were made inside, what carries
 * the mark and what is known. Never the harness or an ancestor of it. Throws a `UserError` where this system cannot tell.
 */
export async function workerTree(options: WorkerTreeOptions): Promise<WorkerTree> {
  const redact = options.redact ?? redactText;
  const marked = options.marker === null ? [] : await findMarked(options.marker, redact);
  const table = await readProcesses(redact);
  const processes = treeOf(table, {
    root: options.root,
    known: [...marked, ...(options.known ?? [])],
    outsider: process.pid,
  });
  return { main: mainOfTree(processes, options.root.pid), processes };
}
