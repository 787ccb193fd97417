import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { redactText } from '../core/redact.ts';
import { until } from '../testing/until.ts';
import { STAYS, TYPESCRIPT, WorkerScripts } from '../testing/worker-scripts.ts';
import { signalProcesses } from './kill-tree.ts';
import { findMarked, MARKER_VARIABLE, workerMarker } from './marked-processes.ts';
import { isAlive } from './process-table.ts';

describe('a worker process', { timeout: 30_000 }, () => {
  it('leads a group and a session of its own, and knows which life of which run it is', async () => {
    await using scripts = await WorkerScripts.create({
      'worker.js': `
        const { PGAPPNAME, WORKER_NAME, ${MARKER_VARIABLE}: mark, HOME } = process.env;
        console.log(JSON.stringify({ PGAPPNAME, WORKER_NAME, mark, HOME }));
        ${STAYS}`,
    });
    const worker = await scripts.start('exec node worker.js', {
      incarnation: 3,
      env: { WORKER_NAME: 'w-{incarnation}-{incarnation}', PGAPPNAME: 'mine' },
      readyPattern: /pid/u,
    });
    await worker.ready;
    expect(JSON.parse(worker.lastLines(2)[0] ?? '')).toEqual({
      PGAPPNAME: 'verify-restart#3',
      WORKER_NAME: 'w-3-3',
      mark: `${scripts.runId}#3`,
      HOME: process.env['HOME'],
    });
    expect(worker.root).toMatchObject({
      pid: worker.pid,
      parentPid: process.pid,
      groupId: worker.pid,
      sessionId: worker.pid,
    });
    expect(worker.marker).toBe(workerMarker(scripts.runId, 3));
  });

  it('is ready when a line says so, in colour or not, and not before', async () => {
    await using scripts = await WorkerScripts.create({
      'worker.js': `
        process.on('SIGUSR2', () => console.error('\\x1b[32mworker \\x1b[1mready\\x1b[0m'));
        console.log('getting ready');
        setInterval(() => {}, 60_000);`,
    });
    const worker = await scripts.start('exec node worker.js', { readyPattern: /^worker ready$/gmu });
    await until('the first line', () => worker.lastLines(1)[0] === 'getting ready');
    expect(await Promise.race([worker.ready, Promise.resolve('not yet')])).toBe('not yet');
    process.kill(worker.pid, 'SIGUSR2');
    expect(await worker.ready).toBe('output');
    expect((await scripts.start('true')).ready).toBeNull();
  });

  it('writes its output to the log, redacted, line by line, a last line without an end too', async () => {
    await using scripts = await WorkerScripts.create();
    const lines: string[] = [];
    const options = {
      redact: (text: string) => redactText(text, ['topsecret']),
      onLine: (line: string) => lines.push(line),
    };
    const first = await scripts.start("echo 'redis://:hunter2@h'; printf 'à topsecret'", options);
    expect(await first.exited).toEqual({ exitCode: 0, signal: null });
    expect(first.root.command).not.toMatch(/hunter2|topsecret/u);
    await first[Symbol.asyncDispose]();
    const second = await scripts.start('echo second >&2', options);
    await second.exited;
    await second[Symbol.asyncDispose]();
    const expected = ['redis://:***@h', 'à ***', 'second'];
    expect(lines).toEqual(expected);
    expect(await readFile(join(scripts.folder, 'worker.log'), 'utf8')).toBe(`${expected.join('\n')}\n`);
    expect(second.logProblem).toBeNull();
  });

  it('says why it ended: the exit code and the last lines', async () => {
    await using scripts = await WorkerScripts.create();
    const missing = await scripts.start('no-such-command --x');
    expect(await missing.exited).toEqual({ exitCode: 127, signal: null });
    expect(missing.lastLines(5).join('\n')).toMatch(/no-such-command.*not found/u);
    const failing = await scripts.start('seq 1 1000; echo no database >&2; exit 7');
    expect(await failing.exited).toEqual({ exitCode: 7, signal: null });
    expect(failing.lastLines(1000)).toHaveLength(200);
    expect(await failing.kill()).toEqual({ kind: 'gone', pids: [], goneAfterMs: 0 });
    expect(await failing.tree()).toEqual({ main: null, processes: [] });
    const terminated = await scripts.start('kill -TERM $$');
    expect(await terminated.exited).toEqual({ exitCode: null, signal: 'SIGTERM' });
  });

  it('has ended though an orphan holds its output', async () => {
    await using scripts = await WorkerScripts.create();
    const worker = await scripts.start('sleep 600 & echo done; exit 3');
    expect(await worker.exited).toEqual({ exitCode: 3, signal: null });
    expect(worker.lastLines(1)).toEqual(['done']);
    const { main, processes } = await worker.tree();
    expect(processes).toHaveLength(1);
    expect(main?.command).toBe('sleep 600');
    expect(await worker.kill()).toMatchObject({ kind: 'gone', pids: [main?.pid] });
  });

  it('is refused in a folder that is not there, in words', async () => {
    await using scripts = await WorkerScripts.create();
    const cwd = join(scripts.folder, 'nowhere');
    await expect(scripts.start('true', { cwd })).rejects.toMatchObject({
      kind: 'usage',
      code: 'worker-folder-missing',
    });
  });

  it('goes on working when its log cannot be written', async () => {
    await using scripts = await WorkerScripts.create({ 'worker.js': STAYS });
    const worker = await scripts.start('exec node worker.js', {
      logFile: scripts.folder,
      readyPattern: /pid/u,
    });
    await worker.ready;
    await until('the problem', () => worker.logProblem);
    expect(await isAlive(worker.root)).toBe(true);
  });

  it.each([
    ['an exit', 'process.exit(0);', 0],
    ['an uncaught error', "throw new Error('on purpose');", 1],
  ])(
    'does not outlive %s of a harness that forgot it, nor does an orphan of it',
    async (_name, end, status) => {
      await using scripts = await WorkerScripts.create({
        'worker.js': STAYS,
        'harness.ts': `
        import { startWorkerProcess } from '${import.meta.dirname}/process-worker.ts';
        const worker = await startWorkerProcess({
          command: '(setsid node worker.js &); node worker.js', cwd: process.cwd(), env: {}, incarnation: 1,
          runId: process.argv[2] ?? '', logFile: 'worker.log', readyPattern: null, redact: (text) => text,
        });
        while (worker.lastLines(2).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
        console.log(worker.lastLines(2).join(' '));
        setImmediate(() => { ${end} });`,
      });
      const { stdout, exitCode } = await execa('node', [...TYPESCRIPT, 'harness.ts', scripts.runId], {
        cwd: scripts.folder,
        reject: false,
      });
      expect(stdout).toMatch(/^pid \d+ pid \d+$/u);
      expect(exitCode).toBe(status);
      const left = await findMarked(workerMarker(scripts.runId, 1));
      await signalProcesses(left, 'SIGKILL');
      expect(left).toEqual([]);
    },
  );
});
