/** Rules between settings: each of them may be sound and the run still make no sense, or do harm. */
import { usageError } from '../core/errors.ts';
import { isContinuousIntegration } from './environment.ts';
import type { Environment } from './environment.ts';
import type { Given } from './given.ts';
import { describeUrl, isLocalUrl } from './server-address.ts';
import type { Settings } from './settings.ts';

const WORKER_EXAMPLE = "--worker 'node dist/worker.js'";

/**
 * Somebody must restart the worker: a person, who needs a terminal, or the harness, which needs to know how.
 *
 * @throws UserError `needs-auto-restart`, `needs-worker`.
 */
export function checkRestart(
  settings: Pick<Settings, 'autoRestart' | 'worker'>,
  env: Environment,
  isTTY: boolean,
): void {
  const { command, stopCommand, startCommand } = settings.worker;
  const isWorkerKnown = command !== null || (stopCommand !== null && startCommand !== null);
  if (!settings.autoRestart) {
    const inCI = isContinuousIntegration(env);
    if (!inCI && isTTY) return;
    throw usageError(
      'needs-auto-restart',
      `${inCI ? 'CI is set' : 'there is no terminal'}, so nobody can be asked to restart the worker, and --auto-restart is not given`,
      isWorkerKnown
        ? 'let verify-restart do it: add --auto-restart'
        : `let verify-restart do it: add --auto-restart and ${WORKER_EXAMPLE}`,
    );
  }
  if (isWorkerKnown) return;
  throw usageError(
    'needs-worker',
    '--auto-restart is given, but nothing says how the worker is started',
    `add the command, ${WORKER_EXAMPLE}, or --worker-stop and --worker-start for a worker that something else runs`,
  );
}

/**
 * A run writes rows and kills workers, so a server that is not on this machine is refused unless that is meant.
 *
 * @param servers URLs with where they came from.
 * @throws UserError `remote-refused`.
 */
export async function refuseRemote(servers: readonly (Given<string> | undefined)[]): Promise<void> {
  for (const server of servers) {
    if (server === undefined || (await isLocalUrl(server.value))) continue;
    throw usageError(
      'remote-refused',
      `${server.from} points to ${describeUrl(server.value)}, which is not known to be on this machine`,
      'a run writes rows and takes workers away: add --allow-remote if that server is meant for it',
    );
  }
}
