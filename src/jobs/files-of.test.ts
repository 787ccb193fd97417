import { assert, property, string, uniqueArray } from 'fast-check';
import { expect, test } from 'vitest';
import { filesOf } from './files-of.ts';

const TOKEN = 'verify-restart-1';

test.each([
  ['a JSON array', `["/a b/${TOKEN}/1.pdf", "/x"]`, [`/a b/${TOKEN}/1.pdf`]],
  ['JSON with more around', `{"files": [{"path": "/${TOKEN}/1"}], "n": 1, "o": null}`, [`/${TOKEN}/1`]],
  ['a JSON text', `"/${TOKEN}/1"`, [`/${TOKEN}/1`]],
  [
    'an array of PostgreSQL',
    `{"/a b/${TOKEN}/1\\"2",/${TOKEN}/3,NULL}`,
    [`/a b/${TOKEN}/1"2`, `/${TOKEN}/3`],
  ],
  ['a list with commas', `/x,/${TOKEN}/1,/${TOKEN}/2`, [`/${TOKEN}/1`, `/${TOKEN}/2`]],
  ['lines', `/${TOKEN}/1\n/${TOKEN}/2`, [`/${TOKEN}/1`, `/${TOKEN}/2`]],
  ['the same twice', `["/${TOKEN}/1","/${TOKEN}/1"]`, [`/${TOKEN}/1`]],
  ['nothing of ours', '["/x"]', []],
  ['nothing', null, []],
])('%s', (_, text, files) => {
  expect(filesOf(text, ['another', TOKEN])).toEqual(files);
});

test('any paths come back from JSON as they went in', () => {
  assert(
    property(uniqueArray(string()), (names) => {
      const paths = names.map((name) => `/${TOKEN}/${name}`);
      expect(filesOf(JSON.stringify(paths), [''])).toEqual([...paths].sort());
    }),
  );
});
