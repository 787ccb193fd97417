import { describe, expect, it } from 'vitest';
import type { ProcessInfo } from '../core/event.ts';
import { ancestors, descendants, treeOf, type ProcessIdentity } from './process-tree.ts';

/** pid, parent, group, session; the start is the pid's own name unless the pid was used again. */
function tableOf(
  ...rows: readonly (readonly [number, number, number, number, string?])[]
): Map<number, ProcessInfo> {
  return new Map(
    rows.map(([pid, parentPid, groupId, sessionId, startToken = `t${pid}`]) => [
      pid,
      { pid, parentPid, groupId, sessionId, startToken, command: `p${pid}` },
    ]),
  );
}

function pidsOf(processes: readonly ProcessInfo[]): readonly number[] {
  return processes.map((process) => process.pid);
}

/** init, a terminal's shell and the harness: 1 > 10 > 20. */
const AROUND = [
  [1, 0, 1, 1],
  [10, 1, 10, 10],
  [20, 10, 20, 10],
] as const;

function identity(pid: number): ProcessIdentity {
  return { pid, startToken: `t${pid}` };
}

function tree(
  table: Map<number, ProcessInfo>,
  root: number,
  known: readonly number[] = [],
): readonly number[] {
  return pidsOf(treeOf(table, { root: identity(root), known: known.map(identity), outsider: 20 }));
}

describe('descendants and ancestors', () => {
  const table = tableOf(...AROUND, [31, 30, 30, 30], [30, 20, 30, 30], [33, 31, 30, 30], [32, 30, 30, 30]);

  it('come in the order of kinship', () => {
    expect(pidsOf(descendants(table, 30))).toEqual([31, 32, 33]);
    expect(pidsOf(ancestors(table, 33))).toEqual([31, 30, 20, 10, 1]);
  });

  it('end in a table that contradicts itself', () => {
    const circle = tableOf([5, 6, 5, 5], [6, 5, 5, 5]);
    expect(pidsOf(descendants(circle, 5))).toEqual([6]);
    expect(pidsOf(ancestors(circle, 5))).toEqual([6]);
  });
});

describe('treeOf', () => {
  it('is root and descendants, parents first, and no bystander', () => {
    const table = tableOf(...AROUND, [32, 31, 30, 30], [31, 30, 30, 30], [30, 20, 30, 30], [40, 20, 40, 40]);
    expect(tree(table, 30)).toEqual([30, 31, 32]);
  });

  it('keeps what was given to init but stayed in the group or the session', () => {
    const table = tableOf(...AROUND, [30, 20, 30, 30], [31, 1, 30, 30], [32, 1, 32, 30], [33, 32, 32, 30]);
    expect(tree(table, 30)).toEqual([30, 31, 32, 33]);
  });

  it('finds what is left when the root is gone', () => {
    expect(tree(tableOf(...AROUND, [31, 1, 30, 30], [32, 31, 32, 30]), 30)).toEqual([31, 32]);
  });

  it('finds the members of a session that was made inside, though its leader and their parent are gone', () => {
    // 31 is known by its mark and stands in the session of a dead 35; 36 cleared its environment.
    const table = tableOf(...AROUND, [30, 20, 30, 30], [31, 1, 35, 35], [36, 1, 36, 35]);
    expect(tree(table, 30, [31])).toEqual([30, 31, 36]);
    expect(tree(table, 30)).toEqual([30]);
  });

  it('never takes a new process for the old root, nor its group', () => {
    const table = tableOf(...AROUND, [30, 1, 30, 30, 'later'], [31, 30, 30, 30]);
    expect(tree(table, 30)).toEqual([]);
  });

  it('never takes a new process for a known one', () => {
    expect(tree(tableOf(...AROUND, [30, 20, 30, 30], [50, 1, 50, 50, 'later']), 30, [50])).toEqual([30]);
  });

  it('does not draw in the shell, the pipeline or the harness that the root shares a session or group with', () => {
    const operators = tableOf(...AROUND, [30, 10, 30, 10], [31, 30, 30, 10], [40, 10, 40, 10]);
    expect(tree(operators, 30)).toEqual([30, 31]);
    const inOurGroup = tableOf(...AROUND, [30, 20, 20, 10], [31, 30, 20, 10], [40, 20, 20, 10]);
    expect(tree(inOurGroup, 30)).toEqual([30, 31]);
  });

  it('does not draw in the shell of a person who started a marked worker in a terminal of their own', () => {
    // 60: the shell of another terminal; 61: the worker, with the mark; 62: its child; 63: something else that runs there.
    const table = tableOf(...AROUND, [60, 1, 60, 60], [61, 60, 61, 60], [62, 61, 61, 60], [63, 60, 63, 60]);
    expect(tree(table, 30, [61])).toEqual([61, 62]);
  });

  it('never holds the harness, its ancestors or init, even if they are said to be known', () => {
    expect(tree(tableOf(...AROUND, [30, 20, 30, 30]), 30, [1, 10, 20])).toEqual([30]);
  });
});
