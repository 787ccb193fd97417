/**
 * Processes of Linux, by /proc. Reads are synchronous on purpose: /proc is answered from memory, and a whole table
 * costs less time this way than by asynchronous reads (4 ms for 80 processes against 10), no other process is
 * started, and the table is nearer to one moment. What can't be read (other users' processes under `hidepid`, a
 * process that ended meanwhile) is left out.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessInfo } from '../core/event.ts';
import { environmentError } from '../core/errors.ts';
import { joinArguments } from './command-line.ts';

/** The kernel's flag of a process that was forked and has not executed a program since (include/linux/sched.h). */
const FORKED_WITHOUT_EXEC = 0x40;

/** A class path can be longer than any reader's patience. */
const LONGEST_COMMAND = 2000;

export function readLinuxProcesses(redact: (text: string) => string): Map<number, ProcessInfo> {
  const table = new Map<number, ProcessInfo>();
  for (const pid of linuxPids()) {
    const process = readLinuxProcess(pid, redact);
    if (process !== null) table.set(pid, process);
  }
  return table;
}

/** `null`: there is none, or it is a zombie. */
export function readLinuxProcess(pid: number, redact: (text: string) => string): ProcessInfo | null {
  const stat = readFrom(`/proc/${pid}/stat`);
  const parsed = stat === null ? null : parseStat(stat);
  if (parsed === null || parsed.gone) return null;
  return {
    pid,
    parentPid: parsed.parentPid,
    groupId: parsed.groupId,
    sessionId: parsed.sessionId,
    startToken: parsed.startToken,
    command: readCommand(pid, parsed.name, redact),
    forked: parsed.forked,
  };
}

/**
 * The pid that was given away last, to a process or a thread. If it is the same before and after a look at /proc, then
 * nothing was started meanwhile, and what the look did not find is not there. `null`: not told.
 */
export function lastLinuxPid(): string | null {
  return readFrom('/proc/loadavg')?.trim().split(' ').at(-1) ?? null;
}

/** Those of the processes whose environment holds exactly `entry` (`NAME=value`), as pids. Zombies have none. */
export function linuxPidsWithEnvironment(entry: string): readonly number[] {
  const needle = Buffer.from(`\0${entry}\0`);
  return linuxPids().filter((pid) => {
    const environment = readBytesFrom(`/proc/${pid}/environ`);
    if (environment === null || environment.length === 0) return false;
    return Buffer.concat([Buffer.from([0]), environment, Buffer.from([0])]).includes(needle);
  });
}

/** The processes that have one of the sockets open, by the socket's inode; a socket may be shared after a fork. */
export function linuxSocketOwners(inodes: ReadonlySet<string>): Map<string, number[]> {
  const owners = new Map<string, number[]>();
  for (const pid of inodes.size === 0 ? [] : linuxPids())
    for (const target of new Set(linkTargets(`/proc/${pid}/fd`))) {
      const inode = /^socket:\[(\d+)\]$/u.exec(target)?.[1];
      if (inode === undefined || !inodes.has(inode)) continue;
      owners.set(inode, [...(owners.get(inode) ?? []), pid]);
    }
  return owners;
}

export interface Stat {
  readonly name: string;
  /** A zombie is gone, unless only its first thread has ended and others of it go on. */
  readonly gone: boolean;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  readonly startToken: string;
  readonly forked: boolean;
}

/** Fields of /proc/<pid>/stat, proc(5). The name may hold blanks and parentheses: the last one ends it. */
export function parseStat(stat: string): Stat | null {
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  const [state = '', parentPid, groupId, sessionId, , , flags] = fields;
  const threads = Number(fields[17]);
  const startToken = fields[19];
  if (end < 0 || startToken === undefined) return null;
  return {
    name: stat.slice(stat.indexOf('(') + 1, end),
    gone: state === 'X' || state === 'x' || (state === 'Z' && threads <= 1),
    parentPid: Number(parentPid),
    groupId: Number(groupId),
    sessionId: Number(sessionId),
    startToken,
    forked: (Number(flags) & FORKED_WITHOUT_EXEC) !== 0,
  };
}

function readCommand(pid: number, name: string, redact: (text: string) => string): string {
  // A title that was written over the arguments leaves zero bytes behind it.
  const raw = readFrom(`/proc/${pid}/cmdline`)?.replace(/\0+$/u, '') ?? '';
  const command = raw === '' ? `[${name}]` : redact(joinArguments(raw.split('\0')));
  return command.length > LONGEST_COMMAND ? `${command.slice(0, LONGEST_COMMAND)}…` : command;
}

function linuxPids(): readonly number[] {
  let names: readonly string[];
  try {
    names = readdirSync('/proc');
  } catch (error) {
    throw environmentError(
      'proc-unreadable',
      'The processes of this machine cannot be read: /proc is not there.',
      'Mount /proc (in a container: do not hide it).',
      error,
    );
  }
  return names.filter((name) => /^\d+$/u.test(name)).map(Number);
}

function linkTargets(folder: string): readonly string[] {
  try {
    return readdirSync(folder).map((name) => {
      try {
        return readlinkSync(`${folder}/${name}`);
      } catch {
        return '';
      }
    });
  } catch {
    return [];
  }
}

function readFrom(path: string): string | null {
  return readBytesFrom(path)?.toString('utf8') ?? null;
}

function readBytesFrom(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}
