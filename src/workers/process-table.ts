/** The processes of this machine, whatever its system. */
import type { ProcessInfo } from '../core/event.ts';
import { redactText } from '../core/redact.ts';
import { readLinuxProcess, readLinuxProcesses } from './linux-processes.ts';
import { readMacProcesses } from './macos-processes.ts';
import { supportedPlatform } from './platform.ts';
import type { ProcessIdentity, ProcessTable } from './process-tree.ts';

export type Redact = (text: string) => string;

/**
 * Every living process by its pid; zombies are left out, because a zombie is gone.
 * Throws a `UserError` where this system cannot tell (Windows), or its tools are missing.
 */
export async function readProcesses(redact: Redact = redactText): Promise<ProcessTable> {
  return supportedPlatform() === 'linux' ? readLinuxProcesses(redact) : readMacProcesses(redact);
}

/** One process; `null` if it is gone or a zombie. Throws as `readProcesses` does. */
export async function readProcess(pid: number, redact: Redact = redactText): Promise<ProcessInfo | null> {
  if (supportedPlatform() === 'linux') return readLinuxProcess(pid, redact);
  return (await readProcesses(redact)).get(pid) ?? null;
}

/**
 * Whether this very process lives: a new one with the same pid is not it, and a zombie lives no more.
 * Unlike signal 0, which a killed process answers until its parent has noticed.
 */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await readProcess(identity.pid))?.startToken === identity.startToken;
}
