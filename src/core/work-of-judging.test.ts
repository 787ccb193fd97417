/** That judging a long run takes no more work an event than judging a short one. Counted, not timed: `npm run bench` has the times. */
import { expect, test } from 'vitest';
import { longHistory, SHAPE_NAMES, type ShapeName } from '../testing/long-histories.ts';
import type { Event } from './event.ts';
import { createHistory } from './history.ts';
import { judge } from './report.ts';

/** How often anything of any event is read while it is judged. */
function readsOfJudging(events: readonly Event[]): number {
  let reads = 0;
  const counting: ProxyHandler<Event> = {
    get(event, key) {
      reads += 1;
      return Reflect.get(event, key) as unknown;
    },
  };
  judge(createHistory(events.map((event) => new Proxy(event, counting))));
  return reads;
}

function readsAnEvent(shape: ShapeName, length: number): number {
  const { events } = longHistory(shape, length);
  return readsOfJudging(events) / events.length;
}

test.each(SHAPE_NAMES)('%s: four times the events are four times the work', (shape) => {
  const few = readsAnEvent(shape, 500);
  const many = readsAnEvent(shape, 2_000);
  // A quadratic part would make it four times as much an event; a search by halves adds two steps.
  expect(many / few).toBeLessThan(1.3);
});
