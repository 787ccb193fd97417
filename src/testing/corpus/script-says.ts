/**
 * What the checks of a hand-written script would have said of a recorded run: it looks at the row once a second after
 * the restart, and passes when the row is there and has reached a final state in time.
 */
import { isTerminal } from '../../core/event.ts';
import { first, rowBefore, type History } from '../../core/history.ts';
import { restartFacts } from '../../core/restart.ts';

const LOOK_EVERY_MS = 1_000;

/** @returns `passed`, or what it would have complained of */
export function scriptSays(history: History): string {
  const { versions, begun, successor } = restartFacts(history);
  if (begun === undefined) return 'no restart';
  const timeoutMs = first(history, 'run:started')?.terminalTimeoutMs ?? 0;
  const startMs = (successor ?? begun).atMs;
  for (let atMs = startMs; atMs <= startMs + timeoutMs; atMs += LOOK_EVERY_MS) {
    const seen = versions.filter((version) => version.atMs <= atMs);
    const row = rowBefore(seen);
    if (row === null || row === undefined) return 'row gone';
    if (isTerminal(row.state)) return 'passed';
  }
  return 'not ended';
}
