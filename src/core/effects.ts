/** What a job's items left behind, compared with what they should have: every item once. */
import { isTerminal, type EventOf } from './event.ts';
import { isAfter, isBefore, type History, type Recorded } from './history.ts';
import type { RestartFacts } from './restart.ts';

export interface Effects {
  readonly items: number;
  readonly missing: readonly string[];
  readonly repeated: readonly { readonly item: string; readonly count: number }[];
  /** There are effects, and none of them is of an item of the job: they are called by other names. */
  readonly unknown: boolean;
}

/** The last count of a job's effects; `undefined` where they were not counted. */
export function effectsOf(history: History, job: string | undefined): Effects | undefined {
  const counted = history.of('effects:counted').findLast((event) => event.job === job);
  const files = history.of('job:created').find((event) => event.job === job)?.files;
  if (counted === undefined || files === undefined) return undefined;
  const counts = new Map(counted.effects.map((effect) => [effect.item, effect.count]));
  const own = new Set(files);
  const unknown = counted.effects.length > 0 && !counted.effects.some(({ item }) => own.has(item));
  return {
    items: files.length,
    missing: unknown ? [] : files.filter((file) => (counts.get(file) ?? 0) === 0),
    repeated: counted.effects.filter((effect) => effect.count > 1),
    unknown,
  };
}

/**
 * Items whose effect was not there when the job had been completed, and is in the end. Of a job that was taken up again
 * after its end nothing can be said.
 */
export function lateEffects(history: History, { job, terminal, changes }: RestartFacts): readonly string[] {
  if (terminal?.values.state !== 'completed') return [];
  const wasLeft = changes.some(
    ({ values, ...version }) => isAfter(version, terminal) && values !== null && !isTerminal(values.state),
  );
  const atEnd = history.of('effects:counted').find((event) => event.job === job && isBefore(terminal, event));
  const missing = new Set(effectsOf(history, job)?.missing);
  const there = new Set(itemsThere(atEnd));
  const files = history.of('job:created').find((event) => event.job === job)?.files ?? [];
  return wasLeft || atEnd === undefined ? [] : files.filter((file) => !there.has(file) && !missing.has(file));
}

/**
 * Items whose effect was there when it was counted last before a moment, and is not any more in the end. With a row that
 * was deleted or moved to an archive its effects may go.
 */
export function effectsGoneSince(history: History, job: string, moment: Recorded): readonly string[] {
  const before = history
    .of('effects:counted')
    .findLast((event) => event.job === job && isBefore(event, moment));
  const now = history.of('effects:counted').findLast((event) => event.job === job && isAfter(event, moment));
  if (before === undefined || now === undefined) return [];
  const left = history
    .of('row:version')
    .some(({ job: of, operation }) => of === job && operation === 'delete');
  if (left || history.of('row:archived').some((event) => event.job === job)) return [];
  const there = new Set(itemsThere(now));
  return itemsThere(before).filter((item) => !there.has(item));
}

function itemsThere(counted: EventOf<'effects:counted'> | undefined): readonly string[] {
  return (counted?.effects ?? []).filter(({ count }) => count > 0).map(({ item }) => item);
}
