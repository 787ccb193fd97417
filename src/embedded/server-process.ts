import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { SignalName, Thing } from '../core/event.ts';
import type { ServerUser } from './server-user.ts';
import { readStartToken } from './start-token.ts';

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly workingFolder: string;
  /** The whole environment: nothing of ours is handed on, so that no stray `PGPORT` or `LC_ALL` has a say. */
  readonly environment: Readonly<Record<string, string>>;
  /** Run as this user. `null`: as ourselves. */
  readonly user: ServerUser | null;
  /** Standard output and error are appended here. */
  readonly logFile: string;
}

export interface ServerExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** One step of an ending: send the signal, then give the process this long to go. */
export interface StopStep {
  readonly signal: SignalName;
  readonly waitMs: number;
}

export type Readiness = 'ready' | 'exited' | 'timed-out';

/**
 * A server that we started, from its first moment to its last. It has a session of its own, so that the Ctrl-C of a
 * terminal reaches us alone and the server lives until our own clean-up; and it writes straight into its log file, so
 * that our death neither ends nor blocks it: it stays whole and can be found by pid and start token.
 */
export class ServerProcess {
  readonly pid: number;
  /** `null`: it had ended before it could be read. */
  readonly startToken: string | null;
  readonly exited: Promise<ServerExit>;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #logStart: number;

  private constructor(
    child: ChildProcess,
    pid: number,
    startToken: string | null,
    exited: Promise<ServerExit>,
    log: { readonly file: string; readonly start: number },
  ) {
    this.#child = child;
    this.pid = pid;
    this.startToken = startToken;
    this.exited = exited;
    this.#logFile = log.file;
    this.#logStart = log.start;
  }

  /** Throws the system's own error (`ENOENT`, `EACCES`, `EPERM` …) where the process cannot be started. */
  static async start(what: ServerCommand): Promise<ServerProcess> {
    const log = await open(what.logFile, 'a', 0o600);
    try {
      const { size } = await log.stat();
      const child = spawn(what.command, what.args, {
        cwd: what.workingFolder,
        env: { ...what.environment },
        stdio: ['ignore', log.fd, log.fd],
        detached: true,
        ...(what.user === null ? {} : { uid: what.user.uid, gid: what.user.gid }),
      });
      const exited = new Promise<ServerExit>((resolve) => {
        child.once('exit', (exitCode, signal) => {
          resolve({ exitCode, signal });
        });
      });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      const pid = child.pid;
      if (pid === undefined) throw new Error(`${what.command} was started and has no pid`);
      const startToken = await readStartToken(pid);
      return new ServerProcess(child, pid, startToken, exited, { file: what.logFile, start: size });
    } finally {
      await log.close();
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * What to remember so that the process can be found and ended by someone else. `marker`: a text of its command
   * line that no other process has. `null`: it has ended already.
   */
  thing(marker: string): Thing | null {
    const { pid, startToken } = this;
    return startToken === null ? null : { kind: 'process', pid, startToken, marker };
  }

  /**
   * Waits for whichever comes first: `ready` is fulfilled, the process ends, the time is over. Rejects with the
   * signal's reason when `abort` fires, and with the error of `ready`. The signal that `ready` gets says that nobody
   * waits for it any more. `null`: a process that is to end, not to get ready.
   */
  async untilReady(
    ready: ((over: AbortSignal) => Promise<unknown>) | null,
    timeoutMs: number,
    abort: AbortSignal | undefined,
  ): Promise<Readiness> {
    const over = new AbortController();
    const signal = abort === undefined ? over.signal : AbortSignal.any([over.signal, abort]);
    try {
      return await Promise.race([
        ...(ready === null ? [] : [ready(signal).then(() => 'ready' as const)]),
        this.exited.then(() => 'exited' as const),
        delay(timeoutMs, 'timed-out' as const, { signal }),
      ]);
    } catch (error) {
      abort?.throwIfAborted();
      throw error;
    } finally {
      over.abort();
    }
  }

  /** Goes through the steps until the process has ended; throws if it outlives them all. */
  async stop(steps: readonly StopStep[]): Promise<void> {
    for (const step of steps) {
      if (!this.running) break;
      // `kill` of a ChildProcess signals nothing once the exit was seen, so a pid used again is never hit.
      this.#child.kill(step.signal);
      const waited = new AbortController();
      const gone = await Promise.race([
        this.exited.then(() => true),
        delay(step.waitMs, false, { signal: waited.signal }),
      ]);
      waited.abort();
      if (gone) return;
    }
    if (this.running) throw new Error(`process ${this.pid} outlived every signal`);
    await this.exited;
  }

  /** What this process has logged, without what stood in the file before. */
  async readLog(): Promise<string> {
    return (await readFile(this.#logFile)).subarray(this.#logStart).toString('utf8');
  }

  /** The last lines of that, for a message. */
  async lastLogLines(count = 10): Promise<string> {
    return (await this.readLog()).trimEnd().split('\n').slice(-count).join('\n');
  }
}
