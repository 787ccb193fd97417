import { expect, test } from 'vitest';
import { likest, nearest, parseChoice } from './choice.ts';

const words = ['crash', 'graceful', 'graceful-group', 'deploy', 'kill-parent'];

test.each([
  ['crsh', 'crash'],
  ['Crash', 'crash'],
  ['gracefull', 'graceful'],
  ['graceful_group', 'graceful-group'],
  ['killparent', 'kill-parent'],
  ['x', null],
  ['something else', null],
])('nearest(%j) is %j', (word, expected) => {
  expect(nearest(word, words)).toBe(expected);
});

test.each([
  ['gracefull', ['graceful']],
  ['graceful', ['graceful', 'graceful-group']],
  ['PARENT', ['kill-parent']],
  ['x', []],
])('likest(%j) are %j', (word, expected) => {
  expect(likest(word, words)).toEqual(expected);
});

test('of a long list a few are offered', () => {
  const many = Array.from({ length: 100 }, (_, index) => `worker-${index}`);
  expect(likest('worker', many)).toHaveLength(4);
});

test('nothing is near in an empty list', () => {
  expect(nearest('crash', [])).toBeNull();
});

test('a word of the list is itself, any other is refused with the nearest and all of them', () => {
  expect(parseChoice('poll', ['auto', 'trigger', 'poll'], '--observe')).toBe('poll');
  expect(() => parseChoice('triger', ['auto', 'trigger', 'poll'], '--observe')).toThrow(
    expect.objectContaining({
      kind: 'usage',
      code: 'unknown-value',
      message: '--observe is "triger", which is none of its values',
      remedy: 'did you mean "trigger"? valid: auto, trigger, poll',
    }),
  );
});
