/** A worker of the bundled table service that nobody but the test starts and ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { builtWorker } from './corpus/targets.ts';

export interface TableWorker extends AsyncDisposable {
  readonly pid: number;
  kill(): Promise<void>;
}

/** Resolves when it has said that it is ready. */
export async function startTableWorker(databaseUrl: string, flags: readonly string[]): Promise<TableWorker> {
  const worker = spawn(process.execPath, [builtWorker('table-service/worker'), ...flags], {
    env: { ...process.env, DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(createInterface(worker.stdout), 'line');
  const kill = async (): Promise<void> => {
    if (worker.exitCode !== null || worker.signalCode !== null) return;
    const ended = once(worker, 'exit');
    worker.kill('SIGKILL');
    await ended;
  };
  if (worker.pid === undefined) throw new Error('the worker was not started');
  return { pid: worker.pid, kill, [Symbol.asyncDispose]: kill };
}
