/**
 * Records the events of a run: numbered, timed, and on disk before anybody acts on them. The history that criteria
 * read is made of the same events.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Event, EventBody, EventKind, EventOf } from '../core/event.ts';
import { createHistory, type History } from '../core/history.ts';

export interface RecorderOptions {
  /** The journal's path; `null`: nothing is written (for tests of pure code). */
  readonly file: string | null;
  /** Wall-clock time of the run's beginning, epoch ms; events are timed from it by the monotonic clock. */
  readonly startedAtMs: number;
  /** Applied to every text before it is recorded: masks secrets. */
  readonly redact: (text: string) => string;
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

type Listener = (event: Event) => void;

export class Recorder {
  readonly #events: Event[] = [];
  readonly #listeners = new Set<Listener>();
  readonly #options: RecorderOptions;
  readonly #zero = performance.now();
  #descriptor: number | null;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#descriptor = options.file === null ? null : openSync(options.file, 'a');
  }

  /**
   * Appends one event. It is written with one synchronous call, so that it survives a SIGKILL of the harness (the
   * operating system has it; only a power failure could lose it).
   */
  record(body: EventBody): Event {
    const event = this.#redacted({ ...body, seq: this.#events.length, atMs: this.now() });
    this.#events.push(event);
    if (this.#descriptor !== null) writeSync(this.#descriptor, `${JSON.stringify(event)}\n`);
    for (const listener of this.#listeners) listener(event);
    return event;
  }

  /** Integer ms since the run began, monotonic. */
  now(): number {
    return Math.round(performance.now() - this.#zero);
  }

  /** The wall clock as the run keeps it: its anchor and the monotonic time since, not rounded. */
  wallClockMs(): number {
    return this.#options.startedAtMs + performance.now() - this.#zero;
  }

  get events(): readonly Event[] {
    return this.#events;
  }

  /** The history as it is now. */
  history(): History {
    return createHistory([...this.#events]);
  }

  /** @returns a function that ends the subscription */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Waits until `find` answers with something other than `undefined`: asked at once, and again after every event.
   * @returns its answer, or `undefined` when the time is over
   * @throws the signal's reason when it is aborted, and what `find` throws
   */
  async waitFor<Found>(find: () => Found | undefined, options: WaitOptions): Promise<Found | undefined> {
    options.signal?.throwIfAborted();
    const already = find();
    if (already !== undefined) return already;
    return new Promise<Found | undefined>((resolve, reject) => {
      const finish = (end: () => void): void => {
        clearTimeout(timer);
        unsubscribe();
        options.signal?.removeEventListener('abort', onAbort);
        end();
      };
      const onAbort = (): void => finish(() => reject(options.signal?.reason as Error));
      const timer = setTimeout(() => finish(() => resolve(undefined)), Math.max(0, options.timeoutMs));
      const unsubscribe = this.subscribe(() => {
        try {
          const found = find();
          if (found !== undefined) finish(() => resolve(found));
        } catch (error) {
          finish(() => reject(error instanceof Error ? error : new Error(String(error))));
        }
      });
      options.signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** The latest event of a kind. */
  latest<K extends EventKind>(kind: K): EventOf<K> | undefined {
    return this.#events.findLast((event): event is EventOf<K> => event.kind === kind);
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #redacted(event: Event): Event {
    return JSON.parse(JSON.stringify(event), (_key, value: unknown) =>
      typeof value === 'string' ? this.#options.redact(value) : value,
    ) as Event;
  }
}
