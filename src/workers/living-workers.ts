/**
 * The last resort against workers that outlive the harness: an exit that nobody cleaned up before (an uncaught
 * error, `process.exit`). Nothing can be awaited then, so all of it is synchronous.
 */
import { redactText } from '../core/redact.ts';
import { readLinuxProcesses } from './linux-processes.ts';
import { findMarkedOnLinux } from './marked-processes.ts';
import { parentsFirst, treeOf, type ProcessIdentity } from './process-tree.ts';

export interface LivingWorker {
  readonly root: ProcessIdentity;
  readonly marker: string;
  /** Its process group, as long as that is not known to have died out. */
  readonly groups: () => readonly number[];
}

const living = new Set<LivingWorker>();

/** More looks than this are only needed by a worker that starts processes faster than they are killed. */
const MOST_ROUNDS = 20;

/** From now on the worker's processes are killed if the harness exits. Returns what ends that. */
export function killAtExit(worker: LivingWorker): () => void {
  if (living.size === 0) process.on('exit', killLiving);
  living.add(worker);
  return () => {
    living.delete(worker);
    if (living.size === 0) process.off('exit', killLiving);
  };
}

function killLiving(): void {
  for (const worker of living) {
    for (const group of worker.groups()) kill(-group);
    if (process.platform === 'linux') killTreeNow(worker);
  }
}

function killTreeNow({ root, marker }: LivingWorker): void {
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const known = findMarkedOnLinux(marker);
    const found = treeOf(readLinuxProcesses(redactText), { root, known, outsider: process.pid });
    if (found.length === 0) return;
    for (const { pid } of parentsFirst(found)) kill(pid);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone, or it is not ours to kill; there is nobody left to tell.
  }
}
