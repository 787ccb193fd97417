import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { until } from '../testing/until.ts';
import { hasPython, TYPESCRIPT, WorkerScripts } from '../testing/worker-scripts.ts';
import { killTree, signalProcesses } from './kill-tree.ts';
import { findMarked } from './marked-processes.ts';
import { isAlive, readProcess, readProcesses } from './process-table.ts';

const FILES = {
  // Starts short-lived processes without end.
  'breeds.js': `
    const { spawn } = require('node:child_process');
    const breed = () => spawn(process.execPath, ['-e', 'setTimeout(() => {}, 300)'], { detached: Math.random() < 0.5, stdio: 'ignore' }).on('exit', breed);
    for (let i = 0; i < 3; i += 1) breed();
    console.log('breeding');`,
  // Each generation lives for a moment only: whoever is listed is dead before it can be killed. Ends by itself.
  'chain.py': `
import os, time
end = time.time() + 30
print('chain', flush=True)
while time.time() < end:
    if os.fork() != 0: os._exit(0)
    time.sleep(0.0005)
`,
};

describe('killTree', { timeout: 30_000 }, () => {
  it('leaves none of a tree that starts processes while it is killed', async () => {
    await using scripts = await WorkerScripts.create(FILES);
    const worker = await scripts.start('node breeds.js; true', { readyPattern: /breeding/u });
    await worker.ready;
    await until('children', async () => (await worker.tree()).processes.length >= 4);
    const result = await worker.kill();
    expect(result.kind).toBe('gone');
    expect(result.pids.length).toBeGreaterThanOrEqual(4);
    expect(await findMarked(worker.marker)).toEqual([]);
  });

  it.skipIf(!hasPython)(
    'catches a chain of forks that outruns every list, by its group',
    { timeout: 60_000 },
    async () => {
      await using scripts = await WorkerScripts.create(FILES);
      const worker = await scripts.start('exec python3 chain.py', { readyPattern: /chain/u });
      await worker.ready;
      await worker.exited;
      const before = performance.now();
      expect(await worker.kill(5000)).toMatchObject({ kind: 'gone' });
      // Whatever lists say: as long as one of them lives, the output is open.
      await worker.outputEnded;
      expect(performance.now() - before).toBeLessThan(10_000);
    },
  );

  it('kills a stopped process, and says at once if there is none', async () => {
    await using scripts = await WorkerScripts.create();
    const worker = await scripts.start('exec sleep 600');
    expect(await signalProcesses([worker.root], 'SIGSTOP')).toEqual({
      sent: [worker.pid],
      gone: [],
      refused: [],
    });
    expect(await worker.kill()).toMatchObject({ kind: 'gone', pids: [worker.pid] });
    expect(await worker.exited).toEqual({ exitCode: null, signal: 'SIGKILL' });
    expect(await worker.kill()).toEqual({ kind: 'gone', pids: [], goneAfterMs: 0 });
  });

  it('names what is still there at the deadline', async () => {
    const own = await until('this process', () => readProcess(process.pid));
    const elsewhere = { ...own, startToken: `${own.startToken}0` };
    const result = await killTree({ find: () => Promise.resolve([elsewhere]), deadlineMs: 20 });
    expect(result).toEqual({ kind: 'still-there', pids: [], alive: [elsewhere], refused: [process.pid] });
  });

  it('does not touch the harness, its group, its ancestors or init', async () => {
    // A signal that harms nobody if it is sent all the same.
    const table = await readProcesses();
    const line = [...table.values()].filter(
      ({ pid }) => pid === process.pid || pid === process.ppid || pid === 1,
    );
    const pids = line.map((process) => process.pid);
    expect(await signalProcesses(line, 'SIGCONT')).toEqual({ sent: [], gone: [], refused: pids });

    await using scripts = await WorkerScripts.create({
      'harness.ts': `
        import { killTree } from '${import.meta.dirname}/kill-tree.ts';
        import { readProcess } from '${import.meta.dirname}/process-table.ts';
        const own = await readProcess(process.pid);
        const result = await killTree({ find: async () => [own], groups: [own.groupId], deadlineMs: 20 });
        console.log(result.kind, result.pids.length, result.refused[0] === process.pid);`,
    });
    const harness = await scripts.start(`exec node ${TYPESCRIPT.join(' ')} harness.ts`);
    expect(await harness.exited).toEqual({ exitCode: 0, signal: null });
    expect(harness.lastLines(1)).toEqual(['still-there 0 true']);
  });

  it('does not signal a new process with the pid of the one that was found', async () => {
    const child = spawn('sleep', ['600'], { stdio: 'ignore' });
    try {
      const found = await until('the child', () => readProcess(child.pid ?? 0));
      const former = { ...found, startToken: `${found.startToken}0` };
      expect(await signalProcesses([former], 'SIGKILL')).toEqual({
        sent: [],
        gone: [found.pid],
        refused: [],
      });
      expect(await isAlive(found)).toBe(true);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
