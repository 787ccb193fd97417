/**
 * Processes of macOS, by `ps` and `lsof`: as good as these tools tell. Sessions are not told (0), the start has a
 * resolution of a second, arguments come joined by blanks, and the environment of processes that the system protects
 * is hidden even from their owner.
 */
import { execa } from 'execa';
import type { ProcessInfo } from '../core/event.ts';
import { environmentError } from '../core/errors.ts';

const MONTH_AND_TIME = '\\w{3}\\s+\\w{3}\\s+\\d+\\s+[\\d:]+\\s+\\d{4}';
const PROCESS_LINE = new RegExp(
  `^\\s*(\\d+)\\s+(\\d+)\\s+(\\d+)\\s+(\\S+)\\s+(${MONTH_AND_TIME})\\s+(.*)$`,
  'u',
);

export async function readMacProcesses(redact: (text: string) => string): Promise<Map<number, ProcessInfo>> {
  const lines = await run('ps', ['-axww', '-o', 'pid=,ppid=,pgid=,stat=,lstart=,command=']);
  const processes = lines.map((line) => parseProcessLine(line, redact)).filter((process) => process !== null);
  return new Map(processes.map((process) => [process.pid, process]));
}

/** One line of the above; `null`: a zombie, or no such line. */
export function parseProcessLine(line: string, redact: (text: string) => string): ProcessInfo | null {
  const [, pid, parentPid, groupId, state = '', startToken = '', command = ''] =
    PROCESS_LINE.exec(line) ?? [];
  if (pid === undefined || state.startsWith('Z')) return null;
  return {
    pid: Number(pid),
    parentPid: Number(parentPid),
    groupId: Number(groupId),
    sessionId: 0,
    startToken: startToken.replaceAll(/\s+/gu, ' '),
    command: redact(command),
  };
}

/** Those of the processes whose environment holds `entry` (`NAME=value`, without blanks), as pids. */
export async function macPidsWithEnvironment(entry: string): Promise<readonly number[]> {
  const lines = await run('ps', ['axeww', '-o', 'pid=,command=']);
  return lines
    .map((line) => line.trim().split(/\s+/u))
    .filter(([, ...words]) => words.includes(entry))
    .map(([pid]) => Number(pid));
}

/** One end of a TCP connection and a process that has it open. */
export interface OpenConnection {
  readonly pid: number;
  readonly localPort: number;
  readonly remotePort: number;
}

export async function readMacConnections(): Promise<readonly OpenConnection[]> {
  // lsof ends with 1 if it found nothing, or if it could not look at something.
  return parseConnections(await run('lsof', ['-nP', '-iTCP', '-sTCP:ESTABLISHED', '-Fpn'], [0, 1]));
}

/** Lines of `lsof -F pn`: `p<pid>`, then an `n<local>-><remote>` for each connection of it. */
export function parseConnections(lines: readonly string[]): readonly OpenConnection[] {
  const found: OpenConnection[] = [];
  let pid = 0;
  for (const line of lines) {
    if (line.startsWith('p')) pid = Number(line.slice(1));
    const [, localPort, remotePort] = /^n.*:(\d+)->.*:(\d+)$/u.exec(line) ?? [];
    if (localPort !== undefined)
      found.push({ pid, localPort: Number(localPort), remotePort: Number(remotePort) });
  }
  return found;
}

async function run(
  program: string,
  values: readonly string[],
  exitCodes: readonly number[] = [0],
): Promise<string[]> {
  const result = await execa(program, values, {
    reject: false,
    stdin: 'ignore',
    lines: true,
    env: { LC_ALL: 'C' },
  });
  if (result.exitCode === undefined || !exitCodes.includes(result.exitCode))
    throw environmentError(
      'processes-unreadable',
      `The processes of this machine cannot be read: ${program} failed.`,
      `Make sure that ${program} is on PATH and may be run.`,
      result,
    );
  return result.stdout;
}
