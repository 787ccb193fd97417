import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processorTimeMs } from '../testing/processor-time.ts';
import { until } from '../testing/until.ts';
import { hasPython, STAYS, WorkerScripts } from '../testing/worker-scripts.ts';
import { isAlive, readProcess, readProcesses } from './process-table.ts';

describe('the process table', { timeout: 30_000 }, () => {
  it('shows this process as the system does', async () => {
    const table = await readProcesses();
    const own = table.get(process.pid);
    expect(own).toMatchObject({ pid: process.pid, parentPid: process.ppid });
    expect(own?.command).toContain('node');
    expect(await readProcess(process.pid)).toEqual(own);
    expect(own && (await isAlive(own))).toBe(true);
  });

  it('takes less than 50 ms', async () => {
    await readProcesses();
    expect(await processorTimeMs(() => readProcesses())).toBeLessThan(50);
  });

  it('shows arguments apart, and no secret', async () => {
    const child = spawn(
      process.execPath,
      ['-e', STAYS, '--', '--password', 'hunter 2', 'redis://:hunter2@h/0'],
      {
        stdio: 'ignore',
      },
    );
    try {
      const found = await readProcess(child.pid ?? 0);
      expect(found?.command).toMatch(/ -- --password '\*\*\*' redis:\/\/:\*\*\*@h\/0$/u);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('does not take a new process with the pid of an old one for it', async () => {
    const own = await readProcess(process.pid);
    expect(await isAlive({ pid: process.pid, startToken: `${own?.startToken}1` })).toBe(false);
    expect(await readProcess(2 ** 30)).toBeNull();
  });

  it('says that a killed child is gone though its parent never reaps it and signal 0 still reaches it', async () => {
    await using scripts = await WorkerScripts.create();
    // The shell starts a child and becomes a program that knows nothing of it.
    const worker = await scripts.start('sleep 100 & exec sleep 1000');
    const child = await until('the child', async () =>
      (await worker.tree()).processes.find((process) => process.parentPid === worker.pid),
    );
    await until('the exec', async () => (await readProcess(worker.pid))?.command === 'sleep 1000');
    process.kill(child.pid, 'SIGKILL');
    await until('the end of the child', async () => !(await isAlive(child)));
    expect(() => process.kill(child.pid, 0)).not.toThrow();
    expect((await readProcesses()).has(child.pid)).toBe(false);
    expect((await worker.tree()).processes.map((process) => process.pid)).toEqual([worker.pid]);
  });

  it.skipIf(!hasPython)(
    'says that a process lives whose first thread has ended while another works on',
    async () => {
      await using scripts = await WorkerScripts.create();
      writeFileSync(
        join(scripts.folder, 'leaderless.py'),
        `
import ctypes, threading, time
def work():
    time.sleep(0.3)
    print('working on', flush=True)
    time.sleep(600)
threading.Thread(target=work).start()
ctypes.CDLL(None).pthread_exit(None)
`,
      );
      const worker = await scripts.start('exec python3 leaderless.py', { readyPattern: /working on/u });
      await worker.ready;
      expect(await isAlive(worker.root)).toBe(true);
      expect(await worker.kill()).toMatchObject({ kind: 'gone', pids: [worker.pid] });
    },
  );

  it.skipIf(!hasPython)('tells a forked child from one that runs a program of its own', async () => {
    await using scripts = await WorkerScripts.create();
    const fork = `import os, subprocess, time
if os.fork() == 0: time.sleep(600)
subprocess.Popen(['sleep', '600']); print('ready', flush=True); time.sleep(600)`;
    writeFileSync(join(scripts.folder, 'fork.py'), fork);
    const worker = await scripts.start('exec python3 fork.py', { readyPattern: /ready/u });
    await worker.ready;
    const children = (await worker.tree()).processes.filter((process) => process.parentPid === worker.pid);
    const [script, sleeper] = children.toSorted((left) => (left.command.endsWith('fork.py') ? -1 : 1));
    expect(children).toHaveLength(2);
    expect(script).toMatchObject({ forked: true });
    expect(sleeper).toMatchObject({ forked: false, command: 'sleep 600' });
  });
});
