import { describe, expect, it } from 'vitest';
import { parseStat } from './linux-processes.ts';

function statOf(name: string, state: string, threads: number, flags = 4194304): string {
  return `4312 (${name}) ${state} 4300 4301 4302 0 -1 ${flags} 1 2 3 4 5 6 7 8 20 0 ${threads} 0 987654 0 0 18446744073709551615`;
}

describe('parseStat', () => {
  it('reads around any name', () => {
    for (const name of ['node', 'npm start', ':-) (x) S 1 2', ''])
      expect(parseStat(statOf(name, 'S', 11))).toEqual({
        name,
        gone: false,
        parentPid: 4300,
        groupId: 4301,
        sessionId: 4302,
        startToken: '987654',
        forked: false,
      });
  });

  it.each([
    ['R', 1, false],
    ['T', 1, false],
    ['D', 1, false],
    ['X', 0, true],
    ['Z', 1, true],
    ['Z', 0, true],
    ['Z', 2, false],
  ])('in state %s with %i threads: gone is %s', (state, threads, gone) => {
    expect(parseStat(statOf('x', state, threads))?.gone).toBe(gone);
  });

  it('tells a fork without an exec', () => {
    expect(parseStat(statOf('x', 'S', 1, 0x400040))?.forked).toBe(true);
  });

  it('is null for what is no such line', () => {
    expect(parseStat('')).toBeNull();
    expect(parseStat('1 (x) S')).toBeNull();
  });
});
