/** What a job's items left behind, compared with what they should have: every item once. */
import type { History } from './history.ts';

export interface Effects {
  readonly items: number;
  readonly missing: readonly string[];
  readonly repeated: readonly { readonly item: string; readonly count: number }[];
}

/** The last count of a job's effects; `undefined` where they were not counted. */
export function effectsOf(history: History, job: string | undefined): Effects | undefined {
  const counted = history.of('effects:counted').findLast((event) => event.job === job);
  const files = history.of('job:created').find((event) => event.job === job)?.files;
  if (counted === undefined || files === undefined) return undefined;
  const counts = new Map(counted.effects.map((effect) => [effect.item, effect.count]));
  return {
    items: files.length,
    missing: files.filter((file) => (counts.get(file) ?? 0) === 0),
    repeated: counted.effects.filter((effect) => effect.count > 1),
  };
}
