/** The same history with other numbers for the lives of its workers. */
import { APPLICATION_NAME_PREFIX, incarnationOfName } from '../core/attribution.ts';
import type { Event } from '../core/event.ts';
import { createHistory, type History } from '../core/history.ts';

/** Counted from `1 + shift` instead of 1, in what is recorded of workers and in the names that they were given. */
export function renumbered(history: History, shift: number): History {
  const nameOf = (name: string): string => {
    const incarnation = incarnationOfName(name);
    return incarnation === null ? name : `${APPLICATION_NAME_PREFIX}${incarnation + shift}`;
  };
  return createHistory(
    history.events.map((event): Event => {
      if ('incarnation' in event) return { ...event, incarnation: event.incarnation + shift };
      if (event.kind === 'presence:snapshot') {
        return {
          ...event,
          database: event.database.map((each) => ({ ...each, name: nameOf(each.name) })),
          broker: event.broker.map((each) => ({ ...each, name: nameOf(each.name) })),
        };
      }
      if (event.kind !== 'row:version' || event.writer === undefined) return event;
      const { writer } = event;
      return { ...event, writer: { ...writer, applicationName: nameOf(writer.applicationName) } };
    }),
  );
}
