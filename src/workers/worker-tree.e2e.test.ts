import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ProcessInfo } from '../core/event.ts';
import { until } from '../testing/until.ts';
import { hasPython, STAYS, WorkerScripts } from '../testing/worker-scripts.ts';
import { signalProcesses } from './kill-tree.ts';
import { mainOf } from './main-process.ts';
import { findMarked } from './marked-processes.ts';
import { isAlive, readProcess, readProcesses } from './process-table.ts';
import type { WorkerProcess } from './process-worker.ts';
import { workerTree } from './worker-tree.ts';

const FILES = {
  'worker.js': STAYS,
  'package.json': JSON.stringify({ name: 'x', private: true, scripts: { start: 'node worker.js' } }),
  'detached.js': `
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, ['worker.js'], { detached: true, stdio: ['ignore', 'inherit', 'ignore'] });
    child.unref();
    setInterval(() => {}, 60_000);`,
  // The classic daemon: a session of its own, two forks, the parents gone.
  'daemon.py': `
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print('pid', os.getpid(), flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
`,
  'hidden.py': `
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print('pid', os.getpid(), flush=True)
        os.execve('/bin/sleep', ['sleep', '600'], {})
    while not os.path.exists('go'): time.sleep(0.01)
    os._exit(0)
os.wait()
time.sleep(600)
`,
  'cluster.js': `
    const cluster = require('node:cluster');
    if (cluster.isPrimary) { cluster.fork(); cluster.fork(); } else console.log('pid', process.pid);
    setInterval(() => {}, 60_000);`,
  'prefork.py': `
import multiprocessing, os, time
def work():
    print('pid', os.getpid(), flush=True)
    time.sleep(600)
if __name__ == '__main__':
    multiprocessing.set_start_method(os.environ['METHOD'])
    multiprocessing.Process(target=work).start()
    time.sleep(600)
`,
};

/** The pids that the scripts printed, as soon as there are so many. */
async function printedPids(worker: WorkerProcess, count = 1): Promise<readonly number[]> {
  return until(
    `${count} printed pids`,
    () => {
      const pids = worker.lastLines(200).flatMap((line) => /^pid (\d+)/u.exec(line)?.[1] ?? []);
      return pids.length >= count ? pids.map(Number) : null;
    },
    15_000,
  );
}

async function expectGone(processes: readonly ProcessInfo[], worker: WorkerProcess): Promise<void> {
  for (const process of processes) expect(await isAlive(process)).toBe(false);
  expect(await findMarked(worker.marker)).toEqual([]);
}

describe('the tree of a worker', { timeout: 30_000 }, () => {
  it.each([
    ['sh -c', 'node worker.js; true'],
    ['npm start', 'npm start --silent'],
    ['wrappers in wrappers', 'env A=1 nice -n 1 sh -c "timeout 600 node worker.js; true"; true'],
    ['a log pipe', 'node worker.js | tee copy.log'],
  ])('sees through %s, and a kill leaves none of it', async (_name, command) => {
    await using scripts = await WorkerScripts.create(FILES);
    const worker = await scripts.start(command);
    const [pid] = await printedPids(worker);
    const { main, processes } = await worker.tree();
    expect(main).toMatchObject({ pid, command: 'node worker.js' });
    expect(pid).not.toBe(worker.pid);
    expect(processes[0]).toEqual(worker.root);
    expect(await worker.kill()).toMatchObject({ kind: 'gone' });
    await expectGone(processes, worker);
  });

  it.each([['npm start --silent'], ['node worker.js; true']])(
    'finds the worker that lives on when its wrapper was killed: %s',
    async (command) => {
      await using scripts = await WorkerScripts.create(FILES);
      const worker = await scripts.start(command);
      const [pid] = await printedPids(worker);
      const before = await worker.tree();
      const wrappers = before.processes.filter((process) => process.pid !== pid);
      await signalProcesses(wrappers, 'SIGKILL');
      expect(await worker.exited).toMatchObject({ signal: 'SIGKILL' });
      await until('the end of the wrappers', async () => (await worker.tree()).processes.length === 1);
      const after = await worker.tree();
      expect(after.main?.pid).toBe(pid);
      expect(await worker.kill()).toMatchObject({ kind: 'gone', pids: [pid] });
      await expectGone(before.processes, worker);
    },
  );

  it('holds a child with a session of its own, before and after the death of its parent', async () => {
    await using scripts = await WorkerScripts.create(FILES);
    const worker = await scripts.start('exec node detached.js');
    const [pid] = await printedPids(worker);
    const { main, processes } = await worker.tree();
    expect(main?.pid).toBe(worker.pid);
    expect(processes.map((process) => process.pid)).toEqual([worker.pid, pid]);
    expect(processes[1]?.sessionId).toBe(pid);
    process.kill(-worker.pid, 'SIGKILL');
    await worker.exited;
    const after = await worker.tree();
    expect(after.processes.map((process) => process.pid)).toEqual([pid]);
    expect(after.main?.pid).toBe(pid);
    expect(await worker.kill()).toMatchObject({ kind: 'gone', pids: [pid] });
    await expectGone(processes, worker);
  });

  it.skipIf(!hasPython)(
    'holds a daemon that two forks gave to init, and takes it for the worker if its wrapper only waits',
    async () => {
      await using scripts = await WorkerScripts.create(FILES);
      const worker = await scripts.start('python3 daemon.py; sleep 600');
      const [pid = 0] = await printedPids(worker);
      const daemon = await until('the new parent', async () => {
        const found = await readProcess(pid);
        return found !== null && found.parentPid !== worker.pid && found;
      });
      expect(daemon.sessionId).not.toBe(worker.pid);
      expect(await findMarked(worker.marker)).toContainEqual(daemon);
      await until('the end of its parents', async () => (await worker.tree()).main?.pid === pid);
      expect(await worker.kill()).toMatchObject({ kind: 'gone' });
      await expectGone([daemon, worker.root], worker);
    },
  );

  it.skipIf(!hasPython)(
    'remembers a process that cleared its environment, when its parents have left it',
    async () => {
      await using scripts = await WorkerScripts.create(FILES);
      const worker = await scripts.start('exec python3 hidden.py');
      const [pid = 0] = await printedPids(worker);
      await until('the cleared environment', async () => (await readProcess(pid))?.command === 'sleep 600');
      const before = await worker.tree();
      await writeFile(join(scripts.folder, 'go'), '');
      const hidden = await until('the end of its parent', async () => {
        const found = await readProcess(pid);
        return !before.processes.some((process) => process.pid === found?.parentPid) && found;
      });
      const { root, marker } = worker;
      expect((await workerTree({ root, marker })).processes).not.toContainEqual(hidden);
      expect((await worker.tree()).processes).toContainEqual(hidden);
      expect(await worker.kill()).toMatchObject({ kind: 'gone' });
      await expectGone([hidden, root], worker);
    },
  );

  it('does not find a mark that only begins alike', async () => {
    await using scripts = await WorkerScripts.create(FILES);
    const worker = await scripts.start('exec node worker.js', { incarnation: 12 });
    await printedPids(worker);
    expect((await findMarked(worker.marker)).map((process) => process.pid)).toEqual([worker.pid]);
    expect(await findMarked(worker.marker.slice(0, -1))).toEqual([]);
    expect(await findMarked(`${worker.marker}3`)).toEqual([]);
  });
});

describe('mainOf, from a pool child that holds the connection', { timeout: 30_000 }, () => {
  const cases: readonly (readonly [string, string, Readonly<Record<string, string>>, number])[] = [
    ['a cluster worker', 'node cluster.js', {}, 2],
    ['a forked child', 'python3 prefork.py', { METHOD: 'fork' }, 1],
    ['a spawned child', 'python3 prefork.py', { METHOD: 'spawn' }, 1],
    ['a child of a fork server', 'python3 prefork.py', { METHOD: 'forkserver' }, 1],
  ];
  it.each(cases.filter(([, command]) => hasPython || !command.startsWith('python3')))(
    '%s leads to its parent below the wrapper',
    async (_name, command, env, count) => {
      await using scripts = await WorkerScripts.create(FILES);
      const worker = await scripts.start(`${command}; true`, { env });
      const pids = await printedPids(worker, count);
      const table = await readProcesses();
      const { main } = await worker.tree();
      // A shim may have put a path before it.
      expect(main?.command.endsWith(command)).toBe(true);
      for (const pid of pids) {
        expect(pid).not.toBe(main?.pid);
        expect(mainOf(pid, table)).toEqual(main);
      }
    },
  );
});
