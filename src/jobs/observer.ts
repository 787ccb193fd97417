/** What every observer of job rows does, and the choice between them. */
import type { RowValues, Writer } from '../core/event.ts';

/** One observed version of a row. */
export interface ObservedVersion {
  readonly job: string;
  readonly operation: 'insert' | 'update' | 'delete';
  readonly values: RowValues | null;
  readonly databaseAtMs: number;
  readonly writer?: Writer;
  /** Under polling: since the look before. */
  readonly gapMs?: number;
  /** Where it was seen otherwise than the observer sees. */
  readonly source?: 'poll';
}

/** A row that is not ours and carries files of ours. */
export interface ObservedStranger {
  readonly id: string;
  readonly files: readonly string[];
}

export interface ObserverSink {
  readonly version: (version: ObservedVersion) => void;
  readonly stranger: (stranger: ObservedStranger) => void;
  /** Something was or may have been missed, or the observer cannot go on; what it saw so far stands. Once a trouble. */
  readonly failed: (reason: string) => void;
}

export interface Observer extends AsyncDisposable {
  readonly source: 'trigger' | 'poll';
  /** Resolves when everything that was committed before the call has been given to the sink. */
  catchUp(): Promise<void>;
  /** A row is about to be made whose id is not known yet: what carries the run's files is kept until `follow`. */
  expect(): void;
  /**
   * The id of the expected row; `null`: it came to nothing.
   * @returns whether every version of the row is seen, from its making on
   */
  follow(job: string | null): Promise<boolean>;
  /** Why nothing can be seen any more, once that has lasted; `null`: it can. */
  lost(): Error | null;
}
