/** Small workers for tests of processes, in a temporary folder of their own, and a sure end for all of them. */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { redactText } from '../core/redact.ts';
import {
  startWorkerProcess,
  type WorkerProcess,
  type WorkerProcessOptions,
} from '../workers/process-worker.ts';

/** Python can fork, which Node can't; tests of forks are skipped without it. */
export const hasPython = spawnSync('python3', ['-c', '']).status === 0;

/** Arguments of node that let it run TypeScript, on Node 20 too. */
export const TYPESCRIPT = ['--import', import.meta.resolve('jiti/register')];

/** Prints its pid and stays. */
export const STAYS = `console.log('pid', process.pid); setInterval(() => {}, 60_000);`;

export class WorkerScripts implements AsyncDisposable {
  readonly folder: string;
  /** Of all workers started here. */
  readonly runId = `test-${randomUUID()}`;
  readonly #workers: WorkerProcess[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(files: Readonly<Record<string, string>> = {}): Promise<WorkerScripts> {
    const folder = await mkdtemp(join(tmpdir(), 'verify-restart-workers-'));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return new WorkerScripts(folder);
  }

  async start(command: string, options: Partial<WorkerProcessOptions> = {}): Promise<WorkerProcess> {
    const worker = await startWorkerProcess({
      command,
      cwd: this.folder,
      env: {},
      incarnation: this.#workers.length + 1,
      runId: this.runId,
      logFile: join(this.folder, 'worker.log'),
      readyPattern: null,
      redact: redactText,
      ...options,
    });
    this.#workers.push(worker);
    return worker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) await worker[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
