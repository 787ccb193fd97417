import { expect, test } from 'vitest';
import { parsePattern } from './patterns.ts';

test('text is a pattern, and so is a RegExp with its flags', () => {
  expect(parsePattern('worker .* ready', '--worker-ready')).toEqual(/worker .* ready/);
  expect(parsePattern(/ready/iu, 'worker.readyPattern')).toEqual(/ready/iu);
});

test('a global pattern matches every line, not every second one', () => {
  const pattern = parsePattern(/ready/gy, 'worker.readyPattern');
  expect([pattern.test('ready'), pattern.test('ready')]).toEqual([true, true]);
});

test('what is no pattern is refused with the reason', () => {
  expect(() => parsePattern('ready(', '--worker-ready')).toThrow(
    expect.objectContaining({
      code: 'invalid-pattern',
      message: expect.stringMatching(/^--worker-ready is "ready\(", which is no regular expression: .*group/),
    }),
  );
  expect(() => parsePattern('', '--worker-ready')).toThrow(/matches every line/);
});
