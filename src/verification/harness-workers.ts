/** The workers that the harness starts itself, one life after the other. */
import { join } from 'node:path';
import { incarnationOfName } from '../core/attribution.ts';
import { environmentError } from '../core/errors.ts';
import { databaseConnections } from '../workers/presence.ts';
import { startWorkerProcess, type WorkerProcess } from '../workers/process-worker.ts';
import { record, until, type Connected } from './context.ts';
import { refusedServer } from './refused-connection.ts';
import { withProcesses } from './holders.ts';

/** How often the broker is asked whether the new worker is connected. */
const READY_INTERVAL_MS = 25;
const LATE_LOOK_MS = 200;

export class HarnessWorkers implements AsyncDisposable {
  readonly #run: Connected;
  readonly #command: string;
  readonly #lives: WorkerProcess[] = [];
  #consumersBefore: ReadonlySet<string> = new Set();
  /** Lives that are to end: an exit of theirs is no surprise. */
  readonly #ending = new Set<WorkerProcess>();
  /** Which incarnation a life is now: one whose children died goes on as the next. */
  readonly #incarnations = new Map<WorkerProcess, number>();

  constructor(run: Connected, command: string) {
    this.#run = run;
    this.#command = command;
  }

  get current(): WorkerProcess {
    const current = this.#lives.at(-1);
    if (current === undefined) throw new Error('no worker was started');
    return current;
  }

  /** The life that began next after this one; `null`: none did. */
  after(life: WorkerProcess): WorkerProcess | null {
    return this.#lives[life.incarnation] ?? null;
  }

  /** Starts the next incarnation and records it; whether it becomes ready is told by `awaitReady`. */
  async start(): Promise<WorkerProcess> {
    const run = this.#run;
    const { worker } = run.settings;
    const incarnation = this.#nextIncarnation();
    const life = await startWorkerProcess({
      command: this.#command,
      cwd: worker.cwd,
      env: worker.env,
      incarnation,
      runId: run.id,
      logFile: join(run.folder, `worker-${incarnation}.log`),
      readyPattern: worker.readyPattern,
      redact: run.redact,
      onLine: (line) => this.#noteLine(incarnation, line),
    });
    this.#lives.push(life);
    this.#incarnations.set(life, incarnation);
    record(run, { kind: 'made', thing: this.#thing(life) });
    record(run, {
      kind: 'worker:started',
      incarnation,
      by: 'auto',
      pid: life.pid,
      command: run.redact(this.#command),
    });
    void this.#recordExit(life);
    return life;
  }

  /** From now on an exit of this life is the run's own doing. */
  expectEnd(life: WorkerProcess): void {
    this.#ending.add(life);
  }

  /** The children of this life are gone, and those that its parent has started in their place are the next incarnation. */
  goOn(life: WorkerProcess): number {
    const incarnation = this.#nextIncarnation();
    this.#incarnations.set(life, incarnation);
    const command = this.#run.redact(this.#command);
    record(this.#run, { kind: 'worker:started', incarnation, by: 'auto', pid: life.pid, command });
    record(this.#run, { kind: 'worker:ready', incarnation, by: 'parent' });
    return incarnation;
  }

  #nextIncarnation(): number {
    return Math.max(0, ...this.#incarnations.values()) + 1;
  }

  #incarnationOf(life: WorkerProcess): number {
    return this.#incarnations.get(life) ?? life.incarnation;
  }

  /**
   * Waits until the worker is ready: a line of its output that matches, else a consumer on the queue that was not
   * there before, else (where the broker does not tell) a connection of its own to the database.
   * @returns whether it became ready within the time; `false` also when it ended
   */
  async awaitReady(
    life: WorkerProcess,
    consumersBefore: ReadonlySet<string>,
    timeoutMs: number,
  ): Promise<boolean> {
    const run = this.#run;
    this.#consumersBefore = consumersBefore;
    let ended = false;
    let announced = false;
    void life.exited.then(() => (ended = true));
    void life.ready?.then(() => (announced = true));
    const by = await until(run, timeoutMs, READY_INTERVAL_MS, async () => {
      if (ended) return 'ended' as const;
      if (life.ready !== null) return announced ? ('output' as const) : undefined;
      const consumers = await run.queue.consumers();
      if (consumers !== null) {
        return consumers.some((consumer) => !consumersBefore.has(consumer.id))
          ? ('connection' as const)
          : undefined;
      }
      return (await isConnected(run, life)) ? ('connection' as const) : undefined;
    });
    if (by === undefined || by === 'ended') return false;
    record(run, { kind: 'worker:ready', incarnation: life.incarnation, by });
    return true;
  }

  /** A worker that was not ready within the time may have become so since. */
  async noteLateReady(): Promise<void> {
    const life = this.current;
    if (this.#run.recorder.latest('worker:ready')?.incarnation === life.incarnation) return;
    await this.awaitReady(life, this.#consumersBefore, LATE_LOOK_MS);
  }

  /** @throws UserError `worker-exited` or `worker-not-ready`, with the last lines of its output */
  async failNotReady(life: WorkerProcess, timeoutMs: number): Promise<never> {
    const exit = await Promise.race([life.exited, Promise.resolve(null)]);
    const lines = life.lastLines(12);
    const said =
      lines.length === 0
        ? 'it printed nothing'
        : `its last lines:\n${lines.map((line) => `  ${line}`).join('\n')}`;
    const refused = refusedServer(lines);
    const elsewhere =
      refused === undefined
        ? undefined
        : `nothing listens at ${refused}, where the worker connects to: give it the servers of the run (worker.env in the config file, or its own settings)`;
    if (exit !== null) {
      const how = exit.signal ?? `exit code ${exit.exitCode}`;
      throw environmentError(
        'worker-exited',
        `the worker ended at once (${how}); ${said}`,
        elsewhere ??
          (exit.exitCode === 127
            ? 'correct the command in --worker: the shell does not know it'
            : `start it by hand to see what it needs: ${this.#run.redact(this.#command)}`),
      );
    }
    throw environmentError(
      'worker-not-ready',
      `the worker did not become ready within ${timeoutMs / 1000} s; ${said}`,
      elsewhere ??
        (this.#run.settings.worker.readyPattern === null
          ? `let it ${this.#run.queue.api === undefined ? `consume the queue ${this.#run.queue.queueName}` : 'connect to the database at its start'}, or name the line that says it is ready with --worker-ready <regex>`
          : 'correct --worker-ready, or raise --processing-timeout'),
    );
  }

  /** Kills whatever is left of every life. Nothing of a worker survives the run. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const life of this.#lives) this.expectEnd(life);
    for (const life of this.#lives.toReversed()) {
      await life[Symbol.asyncDispose]();
      const left = await life.tree();
      if (left.processes.length === 0) record(this.#run, { kind: 'removed', thing: this.#thing(life) });
    }
  }

  /** What the queue's workers say of a job that is lost, they say in their log alone. */
  #noteLine(incarnation: number, line: string): void {
    if (this.#run.queue.workerLines?.some((pattern) => pattern.test(line)) !== true) return;
    record(this.#run, {
      kind: 'note',
      code: 'worker-line',
      text: `worker #${incarnation}: ${line.slice(0, 300)}`,
    });
  }

  async #recordExit(life: WorkerProcess): Promise<void> {
    const run = this.#run;
    const exit = await life.exited;
    const expected = this.#ending.has(life) || run.signal.aborted;
    record(run, {
      kind: 'worker:exited',
      incarnation: this.#incarnationOf(life),
      ...exit,
      expected,
      lastLine: life.lastLines(1)[0] ?? null,
    });
  }

  #thing(life: WorkerProcess) {
    return { kind: 'process', pid: life.pid, startToken: life.root.startToken, marker: life.marker } as const;
  }
}

/** Whether the worker has a connection to the database: by the name that it was given, else by the process at its end. */
async function isConnected(run: Connected, life: WorkerProcess): Promise<boolean> {
  const connections = await databaseConnections(run.database);
  const name = `verify-restart#${life.incarnation}`;
  if (connections.some((connection) => connection.name === name)) return true;
  const unnamed = connections.filter((connection) => incarnationOfName(connection.name) === null);
  if (unnamed.length === 0) return false;
  const { connections: found } = await withProcesses(run, unnamed, 'database');
  const pids = new Set((await life.tree()).processes.map(({ pid }) => pid));
  return found.some(({ pid }) => pid !== null && pids.has(pid));
}

/** The ids of the consumers that are connected now; empty where the broker does not tell. */
export async function consumerIds(run: Connected): Promise<ReadonlySet<string>> {
  const consumers = await run.queue.consumers();
  return new Set((consumers ?? []).map((consumer) => consumer.id));
}
