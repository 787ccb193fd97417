/**
 * Runs the command line as users run it: the built program as a process of its own, in a working folder of its own,
 * with a clean environment and no terminal; and looks afterwards whether anything of it is left.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Event } from '../core/event.ts';
import { JOURNAL_FILE, listRuns, readJournal } from '../journal/journal.ts';
import { killTree } from '../workers/kill-tree.ts';
import { findMarked, workerMarker } from '../workers/marked-processes.ts';
import { readProcesses } from '../workers/process-table.ts';
import { descendants } from '../workers/process-tree.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A script of this package, as it is built. */
export function built(...path: readonly string[]): string {
  return join(ROOT, 'dist', ...path);
}

/** What `--reporter json` prints, as far as tests read it. */
export interface JsonReport {
  readonly verdict: string;
  readonly exitCode: number;
  readonly scenario: string;
  readonly strikeAt: string;
  readonly outcome: string;
  readonly error?: { readonly reason: string; readonly text: string };
  readonly job: { readonly finalStatus: string | null };
  readonly criteria: readonly {
    readonly id: string;
    readonly status: string;
    readonly evidence: readonly string[];
  }[];
  readonly diagnosis: readonly { readonly id: string }[];
  readonly workers: readonly { readonly signal: string | null }[];
  readonly runs?: readonly JsonReport[];
}

type Environment = Readonly<Record<string, string>>;

export interface CliResult {
  /** `null`: ended by a signal. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface WorkFolderOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Texts that may come out nowhere. */
  readonly secrets?: readonly string[];
}

/** Whether a program can be run in a terminal here: util-linux's `script` makes one. */
export const HAS_TERMINAL = /util-linux/.test(
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '',
);

/** At most this many lives of a worker are looked for. */
const MOST_LIVES = 3;

/**
 * So many calls run at a time, however many tests do: a program and its workers need more than half a core, and what
 * they are tested for is a matter of tenths of a second.
 */
const MOST_CALLS = 3;
let calls = 0;
const queue: (() => void)[] = [];

async function takeTurn(): Promise<void> {
  if (calls >= MOST_CALLS) await new Promise<void>((resolve) => queue.push(resolve));
  else calls += 1;
}

function endTurn(): void {
  const next = queue.shift();
  if (next === undefined) calls -= 1;
  else next();
}

/** A folder that the command line is called in, once or several times. Disposing it ends and removes all. */
export class WorkFolder implements AsyncDisposable {
  readonly path: string;
  readonly #top: string;
  readonly #options: WorkFolderOptions;
  readonly #calls: CliCall[] = [];
  readonly #written = new Set<string>();

  private constructor(top: string, options: WorkFolderOptions) {
    this.#top = top;
    this.path = join(top, 'project');
    this.#options = options;
  }

  static async make(options: WorkFolderOptions = {}): Promise<WorkFolder> {
    const folder = new WorkFolder(await mkdtemp(join(tmpdir(), 'vr-cli-')), options);
    // The user that PostgreSQL runs as must get to its data.
    await chmod(folder.#top, 0o755);
    await Promise.all([folder.path, folder.temporaryFolder].map((path) => mkdir(path)));
    return folder;
  }

  /** Where the program puts its temporary files: `TMPDIR`. */
  get temporaryFolder(): string {
    return join(this.#top, 'tmp');
  }

  /** Puts a file of the test's own there. @returns its path */
  async write(name: string, text: string): Promise<string> {
    const file = join(this.path, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { mode: 0o755 });
    this.#written.add(file);
    return file;
  }

  /**
   * Resolves when the program has been started, which may have to wait for others to end.
   * @param args of the command line, after `verify-restart`
   */
  async start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliCall> {
    await takeTurn();
    const words = [join(ROOT, 'bin/verify-restart.js'), ...args];
    return this.#watch(spawn(process.execPath, words, this.#spawnOptions('ignore', env)));
  }

  /** As `start`, in a terminal of its own: where `HAS_TERMINAL` says that there can be one. */
  async startInTerminal(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<CliCall> {
    await takeTurn();
    const words = [process.execPath, join(ROOT, 'bin/verify-restart.js'), ...args];
    const line = words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');
    const command = `stty cols 160 rows 50; exec ${line}`;
    const script = ['--quiet', '--return', '--flush', '--command', command, '/dev/null'];
    const terminal = { TERM: 'xterm', SHELL: '/bin/sh', NO_COLOR: '1' };
    return this.#watch(spawn('script', script, this.#spawnOptions('pipe', env, terminal)));
  }

  #spawnOptions(stdin: 'ignore' | 'pipe', env: Environment, beneath: Environment = {}) {
    const stdio: ['ignore' | 'pipe', 'pipe', 'pipe'] = [stdin, 'pipe', 'pipe'];
    return {
      cwd: this.path,
      stdio,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: this.#top,
        TMPDIR: this.temporaryFolder,
        ...beneath,
        ...this.#options.env,
        ...env,
      },
    };
  }

  #watch(child: ConstructorParameters<typeof CliCall>[0]): CliCall {
    const call = new CliCall(child);
    void call.ended.then(endTurn);
    this.#calls.push(call);
    return call;
  }

  async run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CliResult> {
    return (await this.start(args, env)).ended;
  }

  /** The events of the newest run; none if there was none. */
  async events(): Promise<readonly Event[]> {
    const newest = (await listRuns(join(this.path, '.verify-restart'))).at(-1);
    return newest === undefined ? [] : readJournal(join(newest, JOURNAL_FILE));
  }

  /** Everything that should not be there once the program has ended, as sentences. */
  async left(): Promise<readonly string[]> {
    const processes = await this.#processes();
    const files = await readdir(this.temporaryFolder);
    return [
      ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
      ...files.map((name) => `temporary file ${name}`),
      ...(await this.#leaks()),
    ];
  }

  /** Those that carry the mark of one of the runs here, and those that were started with something of this folder. */
  async #processes() {
    const runs = await readdir(join(this.path, '.verify-restart')).catch(() => []);
    const lives = Array.from({ length: MOST_LIVES }, (_, index) => index + 1);
    const markers = runs.flatMap((run) => lives.map((life) => workerMarker(run, life)));
    const marked = (await Promise.all(markers.map((marker) => findMarked(marker)))).flat();
    const named = [...(await readProcesses()).values()].filter(({ command }) => command.includes(this.#top));
    return [...new Map([...marked, ...named].map((found) => [found.pid, found])).values()];
  }

  async #leaks(): Promise<readonly string[]> {
    const secrets = this.#options.secrets ?? [];
    const texts: [where: string, text: string][] = [];
    for (const call of this.#calls) texts.push(['the output', call.output]);
    for (const entry of await readdir(this.path, { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name);
      if (entry.isFile() && !this.#written.has(file)) texts.push([file, await readFile(file, 'utf8')]);
    }
    return texts
      .filter(([, text]) => secrets.some((secret) => text.includes(secret)))
      .map(([where]) => `a secret in ${where}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const call of this.#calls) await call.kill();
    await killTree({ find: () => this.#processes(), deadlineMs: 5_000 });
    await rm(this.#top, { recursive: true, force: true });
  }
}

/** One call of the program, running or ended. */
export class CliCall {
  readonly ended: Promise<CliResult>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #stdout = '';
  #stderr = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      for (const look of this.#waiting) look();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      for (const look of this.#waiting) look();
    });
    this.ended = once(child, 'close').then(([exitCode, signal]) => ({
      exitCode,
      signal,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }

  get output(): string {
    return this.#stdout + this.#stderr;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Where it was started in a terminal. */
  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until the output shows the text. @throws Error when the program ends without it */
  async shows(pattern: RegExp): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!pattern.test(this.output)) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
      void this.ended.then(() => reject(new Error(`ended without ${pattern}:\n${this.output}`)));
    });
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const below = descendants(await readProcesses(), this.pid);
    this.#child.kill('SIGKILL');
    // In a terminal the program has a session of its own.
    for (const { pid } of below) killQuietly(pid);
    await this.ended;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended with its parent.
  }
}

/** The report on standard output. @throws Error with the output when it is none */
export function jsonReport(result: CliResult): JsonReport {
  try {
    return JSON.parse(result.stdout) as JsonReport;
  } catch {
    throw new Error(`no JSON on standard output:\n${result.stdout}\n--- standard error:\n${result.stderr}`);
  }
}

/** The status of each criterion that did not pass. */
export function notPassed(report: JsonReport): Readonly<Record<string, string>> {
  return Object.fromEntries(
    report.criteria.filter(({ status }) => status !== 'passed').map(({ id, status }) => [id, status]),
  );
}
