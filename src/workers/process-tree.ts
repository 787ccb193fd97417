/**
 * Kinship of processes, as pure functions of a process table.
 *
 * Parentage alone loses a worker's processes: a child that outlives its parent is given to init, a daemon takes a
 * session of its own. A process belongs to a tree if it descends from it, or is in a process group or session that
 * was made inside it, or is named as one of its own (by a mark in its environment, or because it was seen before).
 */
import type { ProcessInfo } from '../core/event.ts';

export type ProcessTable = ReadonlyMap<number, ProcessInfo>;

/** What names one process for good: its pid and when it began. */
export type ProcessIdentity = Pick<ProcessInfo, 'pid' | 'startToken'>;

/** Everything below `pid`, parents before their children; `pid` itself left out. */
export function descendants(table: ProcessTable, pid: number): readonly ProcessInfo[] {
  const children = new Map<number, ProcessInfo[]>();
  for (const process of table.values()) {
    const siblings = children.get(process.parentPid);
    if (siblings === undefined) children.set(process.parentPid, [process]);
    else siblings.push(process);
  }
  const found: ProcessInfo[] = [];
  const seen = new Set([pid]);
  const queue = [pid];
  for (let parent = queue.shift(); parent !== undefined; parent = queue.shift()) {
    for (const child of children.get(parent) ?? []) {
      if (seen.has(child.pid)) continue;
      seen.add(child.pid);
      found.push(child);
      queue.push(child.pid);
    }
  }
  return found;
}

/** The parents of `pid` upward, nearest first; `pid` itself left out. */
export function ancestors(table: ProcessTable, pid: number): readonly ProcessInfo[] {
  const found: ProcessInfo[] = [];
  const seen = new Set([pid]);
  let parent = table.get(table.get(pid)?.parentPid ?? -1);
  while (parent !== undefined && !seen.has(parent.pid)) {
    seen.add(parent.pid);
    found.push(parent);
    parent = table.get(parent.parentPid);
  }
  return found;
}

export interface TreeSeeds {
  /** The process that was started; it may be gone. */
  readonly root: ProcessIdentity;
  /** Processes that are known to belong to the tree, wherever they stand; those that are gone count for nothing. */
  readonly known: readonly ProcessIdentity[];
  /** A process that can't belong to it, nor can any of its ancestors: the harness. */
  readonly outsider: number;
}

/**
 * The living processes of a tree, parents before their children.
 *
 * A group or session is taken as the tree's own only if it was made inside it, so that a worker in an operator's
 * shell does not draw in the shell and what else runs there; this holds for the root as for a known process. The pid of a root that is gone still names the root's
 * group and session (the kernel gives no pid away that is in use as either), unless a new process has it.
 */
export function treeOf(table: ProcessTable, seeds: TreeSeeds): readonly ProcessInfo[] {
  const outsiders = [table.get(seeds.outsider), ...ancestors(table, seeds.outsider)].filter(
    (process) => process !== undefined,
  );
  const barred = new Set([0, 1, seeds.outsider, ...outsiders.map((process) => process.pid)]);
  const foreign = new Set([0, ...outsiders.flatMap((process) => [process.groupId, process.sessionId])]);
  const own = new Set<number>();
  const members = new Map<number, ProcessInfo>();

  function add(process: ProcessInfo): void {
    if (barred.has(process.pid) || members.has(process.pid)) return;
    members.set(process.pid, process);
    for (const id of [process.groupId, process.sessionId]) if (!foreign.has(id)) own.add(id);
  }

  const root = table.get(seeds.root.pid);
  if (root === undefined) own.add(seeds.root.pid);
  else if (root.startToken === seeds.root.startToken) {
    for (const id of [root.groupId, root.sessionId]) if (id !== root.pid) foreign.add(id);
    add(root);
  }
  const known = seeds.known
    .map((identity) => ({ identity, process: table.get(identity.pid) }))
    .flatMap(({ identity, process }) => (process?.startToken === identity.startToken ? [process] : []));
  // A marked worker may have been started by a person: then its session is the terminal's, led by their shell.
  const insiders = new Set([...members.keys(), ...known.map((process) => process.pid)]);
  for (const id of new Set(known.flatMap((process) => [process.groupId, process.sessionId]))) {
    const line = [table.get(id), ...ancestors(table, id)].filter((process) => process !== undefined);
    if (table.has(id) && !line.some((process) => insiders.has(process.pid))) foreign.add(id);
  }
  for (const process of known) add(process);

  let before: number;
  do {
    before = members.size;
    for (const process of table.values())
      if (members.has(process.parentPid) || own.has(process.groupId) || own.has(process.sessionId))
        add(process);
  } while (members.size > before);
  return parentsFirst([...members.values()]);
}

/** The same processes, each after its parent. */
export function parentsFirst(processes: readonly ProcessInfo[]): readonly ProcessInfo[] {
  const table = new Map(processes.map((process) => [process.pid, process]));
  const depths = new Map(processes.map((process) => [process.pid, ancestors(table, process.pid).length]));
  return processes.toSorted((left, right) => (depths.get(left.pid) ?? 0) - (depths.get(right.pid) ?? 0));
}
