/** What the sentences of one run have in common: how its restart may be called, and the table's own words for states. */
import type { JobState } from '../core/event.ts';
import type { CountedFrom, Report } from '../core/report.ts';

export interface RunWords {
  /** `after the restart`, where one was seen. */
  readonly since: string;
  /** The table's word for a state; a word that is no state stays as it is. */
  readonly word: (state: string) => string;
}

const AFTER: Readonly<Record<CountedFrom, string>> = {
  restart: 'after the restart',
  strike: 'after the strike',
  request: 'after the restart was asked for',
};

export function runWords({ countedFrom, statuses }: Pick<Report, 'countedFrom' | 'statuses'>): RunWords {
  const words: Readonly<Record<string, string | undefined>> = statuses;
  return {
    since: AFTER[countedFrom],
    word: (state) => describeStatus(Object.hasOwn(words, state) ? words[state] : undefined, state),
  };
}

/** The table's word, and what it means where that is another one: `running (processing)`. */
export function describeStatus(status: string | null | undefined, state: JobState | (string & {})): string {
  if (status == null) return state;
  return status.toLowerCase() === state ? status : `${status} (${state})`;
}
