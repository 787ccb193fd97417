/** The tools of macOS have namesakes on Linux that take the same options, which is what can be tried there. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { redactText } from '../core/redact.ts';
import { listen } from '../testing/listen.ts';
import { STAYS, WorkerScripts } from '../testing/worker-scripts.ts';
import { MARKER_VARIABLE } from './marked-processes.ts';
import {
  macPidsWithEnvironment,
  parseConnections,
  parseProcessLine,
  readMacConnections,
  readMacProcesses,
} from './macos-processes.ts';

function has(program: string): boolean {
  return spawnSync(program, ['-v']).error === undefined;
}

describe('processes by ps', { timeout: 30_000 }, () => {
  it('are read from its lines, zombies left out', () => {
    const line = ' 4312  4300  4301 S+   Mon Mar  3 09:05:07 2025     node worker.js --password x';
    expect(parseProcessLine(line, redactText)).toEqual({
      pid: 4312,
      parentPid: 4300,
      groupId: 4301,
      sessionId: 0,
      startToken: 'Mon Mar 3 09:05:07 2025',
      command: 'node worker.js --password ***',
    });
    expect(parseProcessLine(line.replace('S+', 'Z '), redactText)).toBeNull();
    expect(parseProcessLine('', redactText)).toBeNull();
  });

  it.skipIf(!has('ps'))('hold this process and a marked one', async () => {
    await using scripts = await WorkerScripts.create({ 'worker.js': STAYS });
    const worker = await scripts.start('exec node worker.js', { readyPattern: /pid/u });
    await worker.ready;
    const table = await readMacProcesses(redactText);
    expect(table.get(process.pid)).toMatchObject({ pid: process.pid, parentPid: process.ppid });
    expect(table.get(worker.pid)).toMatchObject({ parentPid: process.pid, command: 'node worker.js' });
    expect(await macPidsWithEnvironment(`${MARKER_VARIABLE}=${worker.marker}`)).toEqual([worker.pid]);
    expect(await macPidsWithEnvironment(`${MARKER_VARIABLE}=${worker.marker}0`)).toEqual([]);
  });
});

describe('connections by lsof', { timeout: 30_000 }, () => {
  it('are read from its lines', () => {
    const lines = [
      'p10',
      'f22',
      'n127.0.0.1:50001->127.0.0.1:5432',
      'n*:80',
      'p11',
      'n[::1]:50002->[::1]:6379',
    ];
    expect(parseConnections(lines)).toEqual([
      { pid: 10, localPort: 50001, remotePort: 5432 },
      { pid: 11, localPort: 50002, remotePort: 6379 },
    ]);
  });

  it.skipIf(!has('lsof'))('hold one of this process', async () => {
    await using listener = await listen('127.0.0.1');
    const client = connect(listener.port, '127.0.0.1');
    try {
      await once(client, 'connect');
      expect(await readMacConnections()).toContainEqual({
        pid: process.pid,
        localPort: client.localPort,
        remotePort: listener.port,
      });
    } finally {
      client.destroy();
    }
  });
});
