import { assert, json as anyJson, nat, property } from 'fast-check';
import { expect, test } from 'vitest';
import { findJsonError } from './json-position.ts';

test.each([
  ['{\n  "files": 5,\n}', 3, 1],
  ['{\n  "files": 5\n  "keep": true\n}', 3, 3],
  ["{ 'files': 5 }", 1, 3],
  ['{ "files": five }', 1, 13],
  ['{\n  // how many\n  "files": 5 }', 2, 3],
  ['{ "files": 5', 1, 13],
  ['{ "table": "a', 1, 14],
  ['{}\n{}', 2, 1],
  ['', 1, 1],
  ['nul', 1, 4],
])('%j breaks off at line %d, column %d', (text, line, column) => {
  expect(findJsonError(text)).toEqual({ line, column });
});

test('a character that cannot be is found wherever it is put', () => {
  assert(
    property(anyJson(), nat(), (json, seed) => {
      const outside = [...json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}:,]/g)].map((match) => match.index);
      const at = outside.length === 0 ? 0 : (outside[seed % outside.length] ?? 0);
      expect(findJsonError(`${json.slice(0, at)}@${json.slice(at)}`)).toEqual({ line: 1, column: at + 1 });
    }),
  );
});
