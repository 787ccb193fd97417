/**
 * Every item's effect is there once: none missing, none twice.
 *
 * Why: it is what the work is for. A status that says completed and a document that is stored twice, or never, is the
 * most expensive kind of failure, because nobody looks.
 * What would fool it: trusting the status or the progress; a total that is right because one item is missing and
 * another there twice (so items are compared by name); an effect that is on its way (so what is missing is waited for).
 * Of a job that has not ended nothing is missing yet: then it is skipped.
 * Effects under names that are none of the job's files are not missing, they cannot be compared: inconclusive.
 * What it cannot see: without an effects query, anything; then it is skipped and said. Effects outside the database
 * (mails, calls) are seen only if the query can. Whether an effect that comes after the end would survive a crash in
 * between: an outbox sees to that, a promise that nobody awaits does not; so it is said that it came late.
 */
import { isTerminal } from '../event.ts';
import { rowBefore } from '../history.ts';
import { effectsOf, lateEffects } from '../effects.ts';
import { finding, type Finding } from '../findings.ts';
import { judgement, type Criterion } from './criterion.ts';

export const effectsExactlyOnce: Criterion = {
  id: 'effects-exactly-once',
  title: 'each file processed once',
  judge(history, facts) {
    const effects = effectsOf(history, facts.job);
    if (effects === undefined) return judgement('skipped', finding('effects-not-counted'));
    if (effects.unknown) return judgement('inconclusive', finding('effects-not-comparable'));
    const problems: Finding[] = effects.repeated.map(({ item, count }) =>
      finding('effect-repeated', { item, count }),
    );
    const now = rowBefore(facts.versions);
    // Only a job that says it is done must have done everything.
    if (now?.state === 'completed') {
      problems.push(...effects.missing.map((item) => finding('effect-missing', { item })));
    }
    if (problems.length > 0) return judgement('failed', ...problems);
    const items = effects.items - effects.missing.length;
    if (now != null && !isTerminal(now.state))
      return judgement('skipped', finding('effects-so-far', { items }));
    const late = lateEffects(history, facts).length;
    const once = finding('effects-once', { items });
    return late === 0
      ? judgement('passed', once)
      : judgement('passed', once, finding('effects-late', { items: late }));
  },
};
