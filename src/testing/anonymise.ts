/** Takes what belongs to one machine out of a recorded run, everywhere alike, so that what was equal stays equal. */
import type { Event } from '../core/event.ts';

/** Texts of this machine and what stands for them. */
export type Replacements = readonly (readonly [text: string, standIn: string])[];

export function anonymise(events: readonly Event[], replacements: Replacements): readonly Event[] {
  // Longer ones first: a path contains the folder that it lies in.
  const ordered = replacements
    .filter(([text]) => text.length > 1)
    .toSorted(([a], [b]) => b.length - a.length);
  const replace = (text: string): string =>
    ordered.reduce((left, [own, standIn]) => left.replaceAll(own, standIn), text);
  return events.map(
    (event) =>
      JSON.parse(JSON.stringify(event), (_key, value: unknown) =>
        typeof value === 'string' ? replace(value) : value,
      ) as Event,
  );
}
