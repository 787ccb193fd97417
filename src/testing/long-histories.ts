/**
 * Histories of any length, as long runs record them. Each shape stresses another part of the judge: what is looked up
 * for every write, every claim, every retry, every connection.
 */
import type { EventBody, RowValues } from '../core/event.ts';
import type { History } from '../core/history.ts';
import { aRun, type RunBuilder, type RunOptions } from './history-builder.ts';

interface Shape {
  readonly options?: RunOptions;
  /** Goes on with the work of an incarnation; called until the history is long enough, with the number of the call. */
  readonly step: (run: RunBuilder, incarnation: number, index: number) => void;
}

const SHAPES = {
  /** A row with a heartbeat, looks at the broker, and now and then a list of who is connected. */
  work: {
    step(run, incarnation, index) {
      run.row({ heartbeatAt: `beat-${index}`, progress: percent(index) }, incarnation).looks();
      if (index % 20 === 0) run.event(presence(index));
    },
  },
  /** Fails and is retried, again and again. */
  retries: {
    options: { backoff: { baseMs: 10, factor: 1 } },
    step(run, incarnation, index) {
      run
        .row({ status: 'retrying', retryCount: index + 1, error: 'no such host' }, incarnation)
        .row({ status: 'processing' }, incarnation)
        .looks();
    },
  },
  /** A count that is raised and never followed by a pick-up. */
  counts: {
    options: { backoff: { baseMs: 10, factor: 1 } },
    step(run, incarnation, index) {
      run.row({ status: 'processing', retryCount: index + 1 }, incarnation);
    },
  },
  /** A claim of its own for every pick-up, handed out by the broker each time. */
  claims: {
    step(run, incarnation, index) {
      const claim = { owner: `token-${index}`, attempts: index, leaseUntil: `lease-${index}` };
      run.delivered(incarnation).row(claim, incarnation);
    },
  },
  /** A connection of its own for every write, and none of them carries a name. */
  connections: {
    options: { named: false },
    step(run, _incarnation, index) {
      run.row({ heartbeatAt: `beat-${index}` }, `connection-${'i'.repeat(index % 97)}`);
      if (index % 50 === 0) run.event(presence(index));
    },
  },
  /** Looks at the row alone: nobody sees who wrote. */
  polled: {
    options: { source: 'poll' },
    step(run, incarnation, index) {
      run
        .row({ progress: percent(index) }, incarnation)
        .reads()
        .looks();
    },
  },
  /** Ends, and is taken up again. */
  ends: {
    step(run, incarnation, index) {
      run.completed(incarnation).row({ status: 'processing', startedAt: `at-${index}` }, incarnation);
    },
  },
} as const satisfies Record<string, Shape>;

export type ShapeName = keyof typeof SHAPES;
export const SHAPE_NAMES = Object.keys(SHAPES) as readonly ShapeName[];

/** @returns a run of about so many events: half of the work before the strike, half after it */
export function longHistory(name: ShapeName, events: number): History {
  const shape: Shape = SHAPES[name];
  const run = aRun(shape.options).job().submitted().picksUp(1).progress(1);
  let index = 0;
  const work = (incarnation: number, until: number): void => {
    while (run.events.length < until) {
      shape.step(run, incarnation, index);
      index += 1;
    }
  };
  work(1, events / 2);
  run.strike().gone().starts(2).ready(2).picksUp(2);
  work(2, events);
  return run.completed(2).end();
}

function percent(index: number): NonNullable<RowValues['progress']> {
  return 1 + Math.min(98, index / 1_000);
}

function presence(index: number): EventBody {
  const database = Array.from({ length: 10 }, (_, each) => ({
    id: `${7000 + each}@${index}`,
    name: 'my-worker',
    address: '127.0.0.1',
    port: 40_000 + each,
    pid: 4001,
  }));
  return { kind: 'presence:snapshot', reason: 'long', database, broker: [] };
}
