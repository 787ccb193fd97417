import { describe, expect, test } from 'vitest';
import { entry, PLAIN, wrap, wrapHard, type Palette } from './layout.ts';

describe('wrap', () => {
  test('breaks at spaces, and keeps what fits', () => {
    expect(wrap('one two three', 80)).toEqual(['one two three']);
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('', 7)).toEqual(['']);
  });

  test('keeps lines apart', () => {
    expect(wrap('one\ntwo', 80)).toEqual(['one', 'two']);
  });

  test('keeps the indent, also of what follows', () => {
    expect(wrap('  one two three', 9)).toEqual(['  one two', '  three']);
  });

  test('leaves a long word whole: a path, a command', () => {
    expect(wrap('see /a/very/long/path now', 8)).toEqual(['see', '/a/very/long/path', 'now']);
  });
});

describe('wrapHard', () => {
  test('breaks a long word where it has a mark', () => {
    expect(wrapHard('at database-1.cluster.eu-west-1.example.com:5432/production', 30)).toEqual([
      'at',
      'database-1.cluster.eu-west-1.',
      'example.com:5432/production',
    ]);
  });

  test('else anywhere', () => {
    expect(wrapHard('a'.repeat(25), 10)).toEqual(['a'.repeat(10), 'a'.repeat(10), 'a'.repeat(5)]);
  });

  test('loses nothing', () => {
    const text = `x${'/abcdefghij'.repeat(20)}-${'k'.repeat(100)}`;
    expect(wrapHard(text, 17).join('')).toBe(text);
    expect(Math.max(...wrapHard(text, 17).map((line) => line.length))).toBeLessThanOrEqual(17);
  });
});

describe('an entry', () => {
  test('stands beside the label column', () => {
    expect(entry('good', 'one two three', PLAIN, 30)).toEqual(['✔ one two three']);
    expect(entry('bad', 'twenty characters at least', PLAIN, 30)).toEqual([
      '✖ twenty characters at',
      `${' '.repeat(17)}least`,
    ]);
  });

  test('colours the mark, and the text where asked', () => {
    const palette: Palette = { ...PLAIN, doubt: (text) => `<${text}>`, faint: (text) => `(${text})` };
    expect(entry('doubt', 'careful', palette, 80)).toEqual(['<⚠> careful']);
    expect(entry('none', 'by the way', palette, 80, palette.faint)).toEqual(['( ) (by the way)']);
  });
});
