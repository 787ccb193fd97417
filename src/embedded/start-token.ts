import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/**
 * A text that stays equal for the whole life of a process and differs when its pid is used again: on Linux the start
 * time in clock ticks since boot (field 22 of `/proc/<pid>/stat`), elsewhere the start time that `ps` prints.
 * `null`: there is no such process. A zombie counts as none: it has ended and only waits to be reaped.
 */
export async function readStartToken(pid: number): Promise<string | null> {
  return process.platform === 'linux' ? tokenFromProc(pid) : tokenFromPs(pid);
}

async function tokenFromProc(pid: number): Promise<string | null> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // Field 2 is the command in brackets and may itself hold brackets and spaces, so fields are counted from its end.
  const fromState = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fromState[0];
  return state === 'Z' || state === 'X' ? null : (fromState[19] ?? null);
}

async function tokenFromPs(pid: number): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=', '-o', 'lstart=', '-p', String(pid)], {
      env: { ...process.env, LC_ALL: 'C' },
    });
    const match = /^\s*(\S+)\s+(.*\S)\s*$/.exec(stdout);
    return match?.[1] === undefined || match[1].startsWith('Z') ? null : (match[2] ?? null);
  } catch {
    return null;
  }
}
