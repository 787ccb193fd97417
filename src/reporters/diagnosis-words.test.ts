import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DIAGNOSES, type DiagnosisId } from '../core/diagnosis/index.ts';
import { aRun, inFlight, restarted } from '../testing/history-builder.ts';
import { judge } from '../core/report.ts';
import { describeDiagnosis } from './diagnosis-words.ts';
import { runWords } from './run-words.ts';

const IDS = Object.keys(DIAGNOSES) as DiagnosisId[];

describe('docs/diagnoses.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/diagnoses.md'), 'utf8');
  const sections = new Map(
    page
      .split(/^## /m)
      .slice(1)
      .map((section) => [/^`([a-z-]+)`$/m.exec(section)?.[1], section] as const),
  );

  test('has a section for every diagnosis, and for no other', () => {
    expect(IDS.filter((id) => !sections.has(id))).toEqual([]);
    expect([...sections.keys()].filter((id) => id === undefined || !Object.hasOwn(DIAGNOSES, id))).toEqual(
      [],
    );
  });

  test.each(IDS)('%s: meaning, symptoms, evidence and a way out', (id) => {
    const parts = ['**Means.** ', '**Shows.** ', '**Evidence.** ', '**Fix.**'];
    expect(parts.filter((part) => sections.get(id)?.includes(part) !== true)).toEqual([]);
  });
});

const WORDS = runWords({ countedFrom: 'restart', statuses: {} });

test.each(IDS)('%s has words, also where a value is not known', (id) => {
  const words = describeDiagnosis(id, {}, WORDS);
  expect(words.title).toMatch(/^[a-z]/);
  expect(words.fix.length).toBeGreaterThan(20);
  expect(words.docs).toBe(`docs/diagnoses.md#${id}`);
  expect([words.title, words.fix].join(' ')).not.toMatch(/undefined|null|NaN/);
});

describe('the words of what was found', () => {
  const wordsOf = (history: ReturnType<typeof restarted>): readonly string[] => {
    const report = judge(history.end());
    return report.diagnoses.flatMap(({ id, values }) => {
      const { title, evidence } = describeDiagnosis(id, values, runWords(report));
      return [title, ...evidence];
    });
  };

  test('how the new worker ended, and what it said last', () => {
    expect(wordsOf(inFlight().strike().gone().starts(2).exits(2, 1, 'pid file exists'))).toEqual([
      'the new worker ended by itself',
      'worker #2 ended with exit code 1',
      'the last line of its output: pid file exists',
    ]);
  });

  test('why the broker gave up', () => {
    const run = restarted().broker({
      state: 'dead',
      owner: null,
      failedReason: 'stalled too often',
      stalls: 1,
    });
    expect(wordsOf(run.timesOut())).toEqual([
      'the broker gave the job up, and the row was never told',
      "the broker's reason: stalled too often, stalled 1 time",
    ]);
  });

  test('when it is due', () => {
    expect(
      wordsOf(
        restarted()
          .broker({ due: { kind: 'next-boot' } })
          .timesOut(),
      ),
    ).toEqual([
      'the job is not due yet',
      'the broker will hand it out at the next start of a worker; the run waited 2 min',
    ]);
  });

  test('why nobody was struck, with what the queue says', () => {
    const note = { kind: 'note', code: 'moment-never-came', text: 'it never came' } as const;
    expect(wordsOf(aRun().job().submitted().picksUp(1).acks().event(note))).toEqual([
      'the message was acknowledged, and no work on the job was seen',
      'the row is processing at 0 %, and the broker counts it as finished',
    ]);
    expect(wordsOf(aRun().job().submitted().picksUp(1).event(note))).toEqual([
      'the moment to strike never came',
      'waited for progress; the row is processing at 0 %',
    ]);
  });

  test('which word is to be mapped otherwise', () => {
    const run = restarted().picksUp(2).row({ status: 'extracted', state: 'completed' }, 2).completed();
    const report = judge(run.end());
    const found = report.diagnoses.find(({ id }) => id === 'step-mapped-as-end')!;
    const words = describeDiagnosis(found.id, found.values, runWords(report));
    expect(words.evidence).toEqual([
      'the job was extracted, then completed; both mean completed by jobs.statuses',
    ]);
    expect(words.fix).toContain('move it from jobs.statuses.completed to jobs.statuses.processing');
  });
});
