/**
 * How a table counts progress. Most say a share of a hundred; some a share of one, some the number of items that are
 * done. Everything that is judged and told is a share of a hundred, so the scale is learnt from the record: from the
 * progress with which the job of one file ended that ran before the strike, and from what the job itself was seen at.
 */

/** What is known of a table's progress at some point of a run. */
export interface ProgressSeen {
  /** The highest value of a job of one file, before its end where there was one; `null`: it was not seen. */
  readonly ofOneFile: number | null;
  /** The highest value of the job itself before its end; 0: none yet. */
  readonly most: number;
  /** One of those was between two whole numbers. */
  readonly broken: boolean;
  /** With which the job itself was completed; `null`: it was not, or not yet. */
  readonly atEnd: number | null;
  readonly items: number;
}

/** @returns what a value of the table has to be multiplied with to be a share of a hundred */
export function progressUnit({ ofOneFile, most, broken, atEnd, items }: ProgressSeen): number {
  const perItem = items > 0 ? 100 / items : 1;
  // A job of one file ends at 100, or, as a share of one and as a number of items alike, at 1.
  if ((ofOneFile ?? 0) > 1) return 1;
  if (most <= 1 && (broken || atEnd === 1)) return 100;
  if (ofOneFile === 1) return broken ? 1 : perItem;
  return atEnd === items ? perItem : 1;
}

export const NOTHING_SEEN: Omit<ProgressSeen, 'items'> = {
  ofOneFile: null,
  most: 0,
  broken: false,
  atEnd: null,
};

/** A value as a share of a hundred, without the dust of its binary fraction. Some count otherwise and end at 100. */
export function inPercent(value: number, unit: number, isCompleted: boolean): number {
  return isCompleted && value === 100 ? value : Math.round(value * unit * 1_000) / 1_000;
}

/** What another value of the job adds to what is known. */
export function withProgress(seen: ProgressSeen, value: number, isCompleted: boolean): ProgressSeen {
  if (isCompleted) return { ...seen, atEnd: value };
  return {
    ...seen,
    most: Math.max(seen.most, value),
    broken: seen.broken || !Number.isInteger(value),
  };
}

/** The same of the job of one file: an end that is written as 100 says nothing of how its way there is counted. */
export function ofOneFile(seen: Pick<ProgressSeen, 'most' | 'atEnd'>): number | null {
  return seen.most > 0 ? seen.most : seen.atEnd;
}
