import path from 'node:path';
import { expect, test } from 'vitest';
import { parseReporters } from './reporter-list.ts';

const folder = path.resolve('/project');

test('a bare name goes to standard output, a path is relative to the folder', () => {
  expect(parseReporters(['console', ' json=out/a=b.json'], '--reporter', folder)).toEqual([
    { name: 'console', path: null },
    { name: 'json', path: path.join(folder, 'out/a=b.json') },
  ]);
  expect(parseReporters([`json=${path.resolve('/elsewhere/r.json')}`], '--reporter', folder)).toEqual([
    { name: 'json', path: path.resolve('/elsewhere/r.json') },
  ]);
});

test.each([
  [['jsn'], 'unknown-value', 'did you mean "json"?'],
  [[''], 'unknown-value', 'valid: console'],
  [['junit=x.xml'], 'not-available', 'available now: console, json'],
  [['json='], 'invalid-reporter', 'json=report.txt'],
  [['json', 'json'], 'invalid-reporter', 'once'],
  [[], 'invalid-reporter', 'console'],
])('%j is refused: %s', (entries, code, remedy) => {
  expect(() => parseReporters(entries, '--reporter', folder)).toThrow(
    expect.objectContaining({ code, remedy: expect.stringContaining(remedy) }),
  );
});

test('one report may go to two places', () => {
  expect(parseReporters(['json', 'json=r.json'], '--reporter', folder)).toHaveLength(2);
});
