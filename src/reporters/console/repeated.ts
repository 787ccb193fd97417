/** What several equal runs tell together, in a line. */
import type { Repeated } from '../../core/repeat.ts';

export function describeRepeated({ runs, passed, failureRateUpperBound95 }: Repeated): string {
  const percent = (failureRateUpperBound95 * 100).toFixed(1);
  return `${passed} of ${runs} runs passed: with 95 % confidence at most ${percent} % of runs do not`;
}
