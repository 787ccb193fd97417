/** Waits for a state, for tests: asked again every few milliseconds, with a deadline that fails the test. */
import { setTimeout as delay } from 'node:timers/promises';

type NotYet = null | undefined | false;

/** Resolves to the first answer that is neither `null`, `undefined` nor `false`; rejects after `deadlineMs`. */
export async function until<T>(
  what: string,
  ask: () => T | NotYet | Promise<T | NotYet>,
  deadlineMs = 15_000,
): Promise<T> {
  const started = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (performance.now() - started > deadlineMs)
      throw new Error(`waited ${deadlineMs} ms in vain for: ${what}`);
    await delay(5);
  }
}
