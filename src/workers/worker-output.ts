/** What a worker prints: redacted, into its log file, and watched for the line that says it is ready. */
import { createWriteStream, type WriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { forEachLine } from './output-lines.ts';
import type { Redact } from './process-table.ts';

export interface WorkerOutputOptions {
  readonly outputs: readonly Readable[];
  /** Appended to. */
  readonly logFile: string;
  readonly readyPattern: RegExp | null;
  readonly redact: Redact;
  /** Each line, redacted. */
  readonly onLine?: (line: string) => void;
}

/** So many lines are kept for messages. */
const KEPT_LINES = 200;

/** Reads from its construction to the end of the outputs. The worker is never made to wait for the log. */
export class WorkerOutput implements AsyncDisposable {
  /** Resolves when a line matches the pattern, never if none does; `null` without a pattern. */
  readonly ready: Promise<'output'> | null;
  /** Resolves when all was read: no process has an output open any more. Never rejects. */
  readonly ended: Promise<void>;
  readonly #outputs: readonly Readable[];
  readonly #log: WriteStream;
  readonly #lines: string[] = [];
  #logProblem: string | null = null;

  constructor(options: WorkerOutputOptions) {
    const { readyPattern, redact, onLine } = options;
    // A pattern with a position of its own (g, y) would skip every other match.
    const pattern =
      readyPattern && new RegExp(readyPattern.source, readyPattern.flags.replaceAll(/[gy]/gu, ''));
    let becomeReady: ((how: 'output') => void) | undefined;
    this.ready =
      pattern &&
      new Promise((resolve) => {
        becomeReady = resolve;
      });
    this.#log = createWriteStream(options.logFile, { flags: 'a' });
    this.#log.on('error', (error) => {
      this.#logProblem = error.message;
    });
    this.#outputs = options.outputs;
    const reads = options.outputs.map((output) =>
      forEachLine(output, (raw) => {
        const line = redact(raw);
        this.#lines.push(line);
        if (this.#lines.length > KEPT_LINES) this.#lines.shift();
        if (this.#logProblem === null) this.#log.write(`${line}\n`);
        if (pattern?.test(stripVTControlCharacters(raw)) === true) becomeReady?.('output');
        onLine?.(line);
      }),
    );
    this.ended = Promise.all(reads).then(() => undefined);
  }

  /** The last lines of either output, oldest first, redacted; at most 200. */
  lastLines(count: number): readonly string[] {
    return this.#lines.slice(-Math.max(1, count));
  }

  /** Why the log file is not complete; `null`: it is. */
  get logProblem(): string | null {
    return this.#logProblem;
  }

  /** Resolves when all was read, or after so long: an orphan may hold an output open for ever. */
  async endedWithin(durationMs: number): Promise<void> {
    await Promise.race([this.ended, delay(durationMs, undefined, { ref: false })]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const output of this.#outputs) output.destroy();
    await this.ended;
    await new Promise<void>((resolve) => {
      if (this.#log.closed || this.#log.destroyed) resolve();
      else this.#log.once('close', resolve).end();
    });
  }
}
