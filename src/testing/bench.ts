/**
 * How long judging takes, and what it keeps in memory: `npm run bench`.
 *
 * For each shape of a long run and three lengths: the least of five times from the events (as a journal gives them) to the
 * report, and the memory that history and report keep beyond the events themselves. The lengths are compared within
 * one run, so that the ratio does not depend on the machine.
 */
import type { Event } from '../core/event.ts';
import { createHistory } from '../core/history.ts';
import { judge } from '../core/report.ts';
import { longHistory, SHAPE_NAMES } from './long-histories.ts';

const LENGTHS = [10_000, 100_000, 200_000] as const;
const TIMES = 5;
const MOST_MS_FOR_100_000 = 1_000;
/** For twenty times the events. Twenty is what is meant; a quadratic judge would take four hundred times as long. */
const MOST_RATIO = 60;
/** A pointer or two for each event in each list that it stands in. */
const MOST_BYTES_AN_EVENT = 200;

const collect = globalThis.gc;
if (collect === undefined) throw new Error('run it with node --expose-gc');

const problems: string[] = [];
console.log('shape          events   to judge   of 10,000    memory kept');
for (const shape of SHAPE_NAMES) {
  let leastMs = Number.NaN;
  for (const length of LENGTHS) {
    const { events } = longHistory(shape, length);
    // The first time is the compiler's.
    judge(createHistory(events));
    const bytes = (await keptBytes(events)) / events.length;
    const ms = leastMsOf(events);
    if (Number.isNaN(leastMs)) leastMs = ms;
    const ratio = ms / leastMs;
    const columns = [
      shape.padEnd(12),
      String(events.length).padStart(8),
      `${ms.toFixed(0)} ms`.padStart(10),
      `${ratio.toFixed(1)} ×`.padStart(11),
      `${bytes.toFixed(0)} B an event`.padStart(15),
    ];
    console.log(columns.join(' '));
    if (length === 100_000 && ms > MOST_MS_FOR_100_000) problems.push(`${shape}: 100,000 events in ${ms} ms`);
    if (length === 200_000 && ratio > MOST_RATIO)
      problems.push(`${shape}: not linear, ${ratio} times as long`);
    if (bytes > MOST_BYTES_AN_EVENT) problems.push(`${shape}: ${bytes} bytes an event`);
  }
}
for (const problem of problems) console.log(problem);
if (problems.length > 0) process.exitCode = 1;

function leastMsOf(events: readonly Event[]): number {
  const times = Array.from({ length: TIMES }, () => {
    const startedMs = performance.now();
    judge(createHistory(events));
    return performance.now() - startedMs;
  });
  // Whatever else the machine does makes it longer, never shorter.
  return Math.min(...times);
}

async function keptBytes(events: readonly Event[]): Promise<number> {
  const before = await heapBytes();
  const history = createHistory(events);
  const report = judge(history);
  const after = await heapBytes();
  // Used here, so that neither can have been collected.
  return history.events.length > 0 && report.criteria.length > 0 ? after - before : Number.NaN;
}

/** What is finalised goes with the collection after. */
async function heapBytes(): Promise<number> {
  for (let time = 0; time < 3; time += 1) {
    collect?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}
