import { expect, test } from 'vitest';
import type { Event } from '../event.ts';
import { createHistory } from '../history.ts';
import { aRun, handedOver, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'progress-monotonic');
}

const FILES = [1, 2, 3, 4, 5].map((number) => `/tmp/subject/file-${number}.pdf`);

test('passed: it only rises, and may stand still', () => {
  const history = restarted().picksUp(2).progress(40).progress(40).completed().end();
  expect(judgedAs(history, 'progress-monotonic')).toBe('passed progress-rose');
  expect(findingOf(history, 'progress-rose')).toMatchObject({ highest: 100 });
  expect(seen(handedOver({ source: 'poll' }))).toBe('skipped progress-rose unseen-by-polling');
});

test('passed: it was empty until the first file was done', () => {
  const run = restarted().row({ progress: null }, 2);
  const { events } = run.picksUp(2).progress(40).completed().end();
  const from = events.findIndex((event) => event.kind === 'row:version' && event.values?.progress === null);
  const empty = events.filter((event, index) => event.kind !== 'row:version' || index >= from);
  expect(judgedAs(createHistory(empty), 'progress-monotonic')).toBe('passed progress-rose');
});

test('failed: it begins again, and by whom', () => {
  const history = restarted().picksUp(2, { progress: 0 }).progress(40).completed().end();
  expect(judgedAs(history, 'progress-monotonic')).toBe('failed progress-went-down');
  expect(findingOf(history, 'progress-went-down')).toMatchObject({ before: 20, after: 0, incarnation: 2 });
});

test('failed: it was emptied, though it was made up for', () => {
  expect(seen(restarted().row({ progress: null }, 2).picksUp(2).progress(40).completed())).toBe(
    'failed progress-went-down',
  );
  const atNothing = aRun().job().submitted().picksUp(1).strike().gone().starts(2).row({ progress: null }, 2);
  expect(seen(atNothing.picksUp(2).progress(40).completed())).toBe('failed progress-went-down');
});

test('failed: with the word that the effects are whole, where they are', () => {
  const begunAgain = (effects: readonly { item: string; count: number }[]): string =>
    seen(
      restarted()
        .picksUp(2, { progress: 0 })
        .completed()
        .event({ kind: 'effects:counted', job: 'job-1', role: 'subject', source: 'query', effects }),
    );
  expect(begunAgain(FILES.map((item) => ({ item, count: 1 })))).toBe(
    'failed progress-went-down effects-are-whole',
  );
  expect(begunAgain(FILES.map((item) => ({ item, count: 2 })))).toBe('failed progress-went-down');
  expect(begunAgain(FILES.slice(1).map((item) => ({ item, count: 1 })))).toBe('failed progress-went-down');
  expect(begunAgain([{ item: 'by another name', count: 5 }])).toBe('failed progress-went-down');
});

test('skipped: the table has no such column', () => {
  const history = handedOver().end();
  const events = history.events.map((event): Event => {
    if (event.kind !== 'row:version' || event.values === null) return event;
    const { progress: _none, ...values } = event.values;
    return { ...event, values };
  });
  expect(judgedAs(createHistory(events), 'progress-monotonic')).toBe('skipped no-progress-column');
});
