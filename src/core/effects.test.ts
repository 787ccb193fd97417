import { expect, test } from 'vitest';
import { effectsOf } from './effects.ts';
import { createHistory, type History } from './history.ts';
import { aRun } from '../testing/history-builder.ts';

function counted(...effects: readonly { item: string; count: number }[]): History {
  return aRun({ files: 2 })
    .job()
    .event({ kind: 'effects:counted', job: 'job-1', role: 'subject', source: 'query', effects })
    .history();
}

test('items are missing, or there more than once, by name', () => {
  const history = counted({ item: '/tmp/subject/file-1.pdf', count: 2 });
  expect(effectsOf(history, 'job-1')).toEqual({
    items: 2,
    missing: ['/tmp/subject/file-2.pdf'],
    repeated: [{ item: '/tmp/subject/file-1.pdf', count: 2 }],
    unknown: false,
  });
});

test('where none goes by the name of an item, none is missing', () => {
  const effects = effectsOf(counted({ item: 'document 17', count: 1 }), 'job-1');
  expect(effects).toMatchObject({ missing: [], repeated: [], unknown: true });
});

test('what nobody counted, or nobody knows the items of, is not known', () => {
  expect(effectsOf(aRun().job().history(), 'job-1')).toBeUndefined();
  const { events } = counted();
  const unmade = createHistory(events.filter(({ kind }) => kind !== 'job:created'));
  expect(effectsOf(unmade, 'job-1')).toBeUndefined();
});
