/**
 * Every worker that the harness starts has a mark in its environment. Whatever it starts inherits the mark, so that
 * children with a session of their own, daemons and orphans that were given to init are found as well. Only a process
 * that was started with a cleared environment, or has written over it, can hide.
 */
import type { ProcessInfo } from '../core/event.ts';
import { redactText } from '../core/redact.ts';
import { linuxPidsWithEnvironment, readLinuxProcess } from './linux-processes.ts';
import { macPidsWithEnvironment } from './macos-processes.ts';
import { supportedPlatform } from './platform.ts';
import { readProcesses, type Redact } from './process-table.ts';

export const MARKER_VARIABLE = 'VERIFY_RESTART_WORKER';

/** The value of the mark; unique to one life of one worker of one run. */
export function workerMarker(runId: string, incarnation: number): string {
  return `${runId}#${incarnation}`;
}

/**
 * The living processes that carry exactly this mark. Processes of other users cannot be looked into (without root).
 * Throws a `UserError` where this system cannot tell.
 */
export async function findMarked(
  marker: string,
  redact: Redact = redactText,
): Promise<readonly ProcessInfo[]> {
  if (supportedPlatform() === 'linux') return findMarkedOnLinux(marker, redact);
  const pids = await macPidsWithEnvironment(`${MARKER_VARIABLE}=${marker}`);
  const table = await readProcesses(redact);
  return pids.map((pid) => table.get(pid)).filter((found) => found !== undefined);
}

/** The same at once, for the last moment of the harness, when nothing can be awaited any more. */
export function findMarkedOnLinux(marker: string, redact: Redact = redactText): readonly ProcessInfo[] {
  return linuxPidsWithEnvironment(`${MARKER_VARIABLE}=${marker}`)
    .map((pid) => readLinuxProcess(pid, redact))
    .filter((found) => found !== null);
}
