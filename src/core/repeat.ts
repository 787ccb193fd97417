/** What a number of equal runs tell of the chance that the next one does not pass. */

export interface Repeated {
  readonly runs: number;
  readonly passed: number;
  /**
   * With 95 % confidence the true rate of runs that do not pass is no higher: the one-sided bound of Clopper and
   * Pearson. 0 to 1; with nothing but passes in n runs it is 1 − 0.05^(1/n), about 3/n.
   */
  readonly failureRateUpperBound95: number;
}

/** @param runs how many were made, at least 1 */
export function repeated(runs: number, passed: number): Repeated {
  return { runs, passed, failureRateUpperBound95: upperBound(runs - passed, runs) };
}

const ALPHA = 0.05;
/** Halvings of the interval: beyond the precision of a number. */
const STEPS = 60;

/** The rate at which no more than `failures` in `runs` are just as unlikely as `ALPHA`. */
function upperBound(failures: number, runs: number): number {
  if (failures >= runs) return 1;
  let low = failures / runs;
  let high = 1;
  for (let step = 0; step < STEPS; step += 1) {
    const rate = (low + high) / 2;
    if (chanceOfAtMost(failures, runs, rate) > ALPHA) low = rate;
    else high = rate;
  }
  return high;
}

/** The binomial distribution, summed by its logarithms so that no factor overflows. */
function chanceOfAtMost(failures: number, runs: number, rate: number): number {
  let logTerm = runs * Math.log1p(-rate);
  let sum = Math.exp(logTerm);
  for (let count = 1; count <= failures; count += 1) {
    logTerm += Math.log((runs - count + 1) / count) + Math.log(rate) - Math.log1p(-rate);
    sum += Math.exp(logTerm);
  }
  return sum;
}
