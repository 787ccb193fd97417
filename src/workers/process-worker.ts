/**
 * One life of a worker as a process that the harness starts, watches and ends.
 *
 * It leads a process group and a session of its own, so that a signal to the harness's terminal doesn't reach it and
 * its group can be told from everything else. execa's own clean-up leaves detached processes alone and would see the
 * shell only, so the harness kills the tree itself: by `kill`, or at its own exit. After a SIGKILL of the harness, the
 * mark in the worker's environment is what it can still be found by.
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import type { ProcessInfo } from '../core/event.ts';
import { environmentError, usageError } from '../core/errors.ts';
import { killTree, type KillResult } from './kill-tree.ts';
import { killAtExit } from './living-workers.ts';
import { MARKER_VARIABLE, workerMarker } from './marked-processes.ts';
import { supportedPlatform } from './platform.ts';
import { readProcess, type Redact } from './process-table.ts';
import { WorkerOutput } from './worker-output.ts';
import { workerTree, type WorkerTree } from './worker-tree.ts';

export interface WorkerProcessOptions {
  /** For the shell. */
  readonly command: string;
  /** Absolute. */
  readonly cwd: string;
  /** Added to the harness's own environment; `{incarnation}` in a value stands for the number. */
  readonly env: Readonly<Record<string, string>>;
  readonly incarnation: number;
  readonly runId: string;
  /** Output is appended to it, redacted; its folder is made. */
  readonly logFile: string;
  readonly readyPattern: RegExp | null;
  readonly redact: Redact;
  /** Each line of either output, redacted. */
  readonly onLine?: (line: string) => void;
}

/** How the started command ended; processes of it may live on. Exit code 127: the shell knows no such command. */
export interface WorkerExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** How long the output is waited for after the exit. */
const OUTPUT_GRACE_MS = 100;

const KILL_DEADLINE_MS = 10_000;

/**
 * Starts the command in a shell. Resolves as soon as its process is there; what becomes of it is told by `ready` and
 * `exited`. Throws a `UserError` if the folder is missing, no shell can be started, or on Windows.
 */
export async function startWorkerProcess(options: WorkerProcessOptions): Promise<WorkerProcess> {
  supportedPlatform();
  const folder = await stat(options.cwd).catch(() => null);
  if (folder?.isDirectory() !== true)
    throw usageError(
      'worker-folder-missing',
      `The worker's folder ${options.cwd} does not exist.`,
      'Set worker.cwd to the folder that the worker is to be started in.',
    );
  await mkdir(dirname(options.logFile), { recursive: true });
  const marker = workerMarker(options.runId, options.incarnation);
  const subprocess = execa(options.command, {
    shell: true,
    cwd: options.cwd,
    env: environmentOf(options, marker),
    detached: true,
    cleanup: false,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
  });
  const ended = new Promise<WorkerExit>((resolve) => {
    subprocess.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
  const { pid } = subprocess;
  if (pid === undefined) {
    const { cause } = await subprocess;
    throw environmentError(
      'worker-spawn-failed',
      `The worker could not be started: ${options.redact(cause instanceof Error ? cause.message : 'no process')}.`,
      'Check that /bin/sh can be run here and that the limit of processes is not reached.',
    );
  }
  const output = new WorkerOutput({ ...options, outputs: [subprocess.stdout, subprocess.stderr] });
  const root = (await readProcess(pid, options.redact)) ?? goneAlready(pid, options);
  return new WorkerProcess(options, marker, root, output, ended);
}

/** Disposing it kills what is left of it and closes its log. */
export class WorkerProcess implements AsyncDisposable {
  readonly incarnation: number;
  readonly pid: number;
  /** The process of the started command: the shell, or what it became. */
  readonly root: ProcessInfo;
  /** The mark in the environment of all of its processes. */
  readonly marker: string;
  /** Resolves when a line of output, colours left out, matches the pattern, never if none does; `null` without one. */
  readonly ready: Promise<'output'> | null;
  /** Resolves when the started command has ended and its output was read. Never rejects. */
  readonly exited: Promise<WorkerExit>;
  /** Resolves when no process has its output open any more. Never rejects. */
  readonly outputEnded: Promise<void>;
  readonly #redact: Redact;
  readonly #output: WorkerOutput;
  readonly #endKillAtExit: () => void;
  /** Once it has died out, its number may become somebody else's. */
  #groupDiedOut = false;
  /** What was seen in the tree: a process with a cleared environment may leave it between two looks. */
  #known: readonly ProcessInfo[] = [];

  constructor(
    options: WorkerProcessOptions,
    marker: string,
    root: ProcessInfo,
    output: WorkerOutput,
    ended: Promise<WorkerExit>,
  ) {
    this.incarnation = options.incarnation;
    this.pid = root.pid;
    this.root = root;
    this.marker = marker;
    this.ready = output.ready;
    this.outputEnded = output.ended;
    this.exited = ended.then(async (exit) => {
      this.#groupDiedOut = !groupExists(root.groupId);
      await output.endedWithin(OUTPUT_GRACE_MS);
      return exit;
    });
    this.#redact = options.redact;
    this.#output = output;
    this.#endKillAtExit = killAtExit({ root, marker, groups: () => this.#groups() });
  }

  /** All living processes of this life, and the worker among them. */
  async tree(): Promise<WorkerTree> {
    const { root, marker } = this;
    const tree = await workerTree({ root, marker, known: this.#known, redact: this.#redact });
    this.#known = tree.processes;
    return tree;
  }

  /**
   * SIGKILL to its own process group at once, without a look first: the worker dies within a millisecond. What lies
   * outside of the group is left to `kill`.
   */
  killGroupNow(): void {
    if (this.#groupDiedOut) return;
    try {
      process.kill(-this.root.groupId, 'SIGKILL');
    } catch {
      // Nobody is left in it; `kill` looks.
    }
  }

  /** SIGKILL to all of them, until none is left or the deadline has passed. */
  async kill(deadlineMs: number = KILL_DEADLINE_MS): Promise<KillResult> {
    const result = await killTree({
      find: async () => (await this.tree()).processes,
      groups: this.#groups(),
      deadlineMs,
    });
    if (result.kind === 'gone') this.#endKillAtExit();
    return result;
  }

  #groups(): readonly number[] {
    return this.#groupDiedOut ? [] : [this.root.groupId];
  }

  /** The last lines of output, oldest first, redacted; at most 200. */
  lastLines(count: number): readonly string[] {
    return this.#output.lastLines(count);
  }

  /** Why the log file is not complete (a full disk); `null`: it is. */
  get logProblem(): string | null {
    return this.#output.logProblem;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#output[Symbol.asyncDispose]();
  }
}

function environmentOf(options: WorkerProcessOptions, marker: string): Record<string, string> {
  const number = String(options.incarnation);
  const settings = Object.entries(options.env).map(([name, value]) => [
    name,
    value.replaceAll('{incarnation}', number),
  ]);
  return {
    ...Object.fromEntries(settings),
    PGAPPNAME: `verify-restart#${number}`,
    [MARKER_VARIABLE]: marker,
  };
}

/** Whether a process of the group is left, be it a zombie. Asked when its leader was reaped. */
function groupExists(group: number): boolean {
  try {
    process.kill(-group, 0);
    return true;
  } catch (error) {
    // A group of another user's processes is there.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

/** A command that ended before it could be looked at. Its start is no living process's. */
function goneAlready(pid: number, options: WorkerProcessOptions): ProcessInfo {
  const command = options.redact(options.command);
  return { pid, parentPid: process.pid, groupId: pid, sessionId: pid, startToken: 'gone', command };
}
