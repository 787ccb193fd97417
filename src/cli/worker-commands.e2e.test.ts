/** `--worker-stop` and `--worker-start`: a worker that something else runs, here a script with a pid file. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { describe, expect, test as plainTest } from 'vitest';
import { targetsOfOwnSystem, type OpenTarget } from '../testing/own-system-test.ts';
import type { OwnTarget } from '../testing/own-system.ts';
import { jsonReport, notPassed } from '../testing/run-cli.ts';
import { until } from '../testing/until.ts';

const test = plainTest.extend<{ open: OpenTarget }>({ open: targetsOfOwnSystem() });

/** Starts a worker in the background, and stops it in one way or another. */
function script(worker: string): string {
  return `#!/bin/sh
case "$1" in
  start) ${worker} >>worker.log 2>&1 & echo $! >>worker.pids ;;
  kill) kill -9 $(tail -n 1 worker.pids) ;;
  ask) kill $(tail -n 1 worker.pids) ;;
  ignore) echo "stopped" ;;
  fail) echo "no such service" >&2; exit 7 ;;
esac
`;
}

/** A worker that the script has started; disposing it ends whatever the script has started since. */
async function startDaemon(target: OwnTarget) {
  const { folder } = target;
  await folder.write('service.sh', script(`exec ${target.worker(undefined, '--item-ms', '800')}`));
  const env = { PATH: process.env['PATH'], DATABASE_URL: target.databaseUrl, REDIS_URL: target.redisUrl };
  const read = (file: string): Promise<string> => readFile(join(folder.path, file), 'utf8').catch(() => '');
  const pids = async (): Promise<readonly number[]> =>
    (await read('worker.pids')).split('\n').filter(Boolean).map(Number);
  spawnSync('sh', ['service.sh', 'start'], { cwd: folder.path, env });
  await until('the worker is ready', async () => (await read('worker.log')).includes('worker ready'));
  return {
    pids,
    /** Runs a verification that stops and starts it by these commands of the script. */
    async verify(stop: string, start: string, ...more: readonly string[]) {
      await folder.write('verify-restart.config.json', JSON.stringify({ worker: { stopGrace: '1s' } }));
      const commands = ['--worker-stop', `sh service.sh ${stop}`, '--worker-start', `sh service.sh ${start}`];
      const args = target.args('--auto-restart', ...commands, '--reporter', 'json', ...more);
      const result = await folder.run(args);
      return { ...result, report: jsonReport(result) };
    },
    async [Symbol.asyncDispose]() {
      for (const pid of await pids()) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // Gone already.
        }
      }
    },
  };
}

/** What belongs to a run; the worker's own bookkeeping in the queue comes and goes. */
async function leftOfRun(target: OwnTarget): Promise<readonly string[]> {
  return (await target.left()).filter(
    (entry) => !/^key bull:[^:]+:[a-z-]+$|^row of bullmq\.(meta|event): (?!.*jobId)/.test(entry),
  );
}

describe.concurrent('a worker that a script runs', { timeout: 60_000 }, () => {
  test.for(['redis', 'postgres'] as const)(
    'killed and started by it, passes (%s)',
    async (backend, { open }) => {
      const target = await open(backend);
      await using daemon = await startDaemon(target);
      const { exitCode, stderr, report } = await daemon.verify('kill', 'start');
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      expect(report.outcome).toBe('handed-over');
      expect(await leftOfRun(target)).toEqual([]);
    },
  );

  test('left alive by the stop command, proves nothing, and that is said', async ({ open }) => {
    const target = await open('redis');
    await using daemon = await startDaemon(target);
    const { exitCode, report } = await daemon.verify('ignore', 'start');
    expect(exitCode).toBe(4);
    expect(notPassed(report)).toMatchObject({ 'restart-observed': 'inconclusive' });
    const evidence = report.criteria.find(({ id }) => id === 'restart-observed')?.evidence.join();
    const [pid] = await daemon.pids();
    expect(evidence).toMatch(new RegExp(`still .*${pid}|${pid}.*still`));
    expect(report.diagnosis[0]?.id).toBe('worker-not-restarted');
    expect(await leftOfRun(target)).toEqual([]);
  });

  test('not started by the start command, is not to be blamed for a job that nobody takes', async ({
    open,
  }) => {
    const target = await open('redis');
    await using daemon = await startDaemon(target);
    const { exitCode, report } = await daemon.verify('kill', 'ignore', '--terminal-timeout', '1s');
    expect(exitCode).toBe(4);
    expect(notPassed(report)).toMatchObject({
      'restart-observed': 'inconclusive',
      'picked-up-again': 'inconclusive',
      'reached-terminal': 'inconclusive',
    });
    expect(report.diagnosis[0]).toMatchObject({
      id: 'no-successor',
      fix: expect.stringContaining('--worker-start'),
    });
    expect(await leftOfRun(target)).toEqual([]);
  });

  test('asked to stop, is no crash', async ({ open }) => {
    const target = await open('postgres');
    await using daemon = await startDaemon(target);
    const { exitCode, report } = await daemon.verify('ask', 'start');
    expect(exitCode).toBe(4);
    expect(notPassed(report)).toMatchObject({ 'restart-observed': 'inconclusive' });
    expect(report.diagnosis[0]?.id).toBe('stopped-politely');
    expect(await leftOfRun(target)).toEqual([]);
  });

  test('asked to stop where that is what is to be verified, passes', async ({ open }) => {
    const target = await open('redis');
    await using daemon = await startDaemon(target);
    const { exitCode, stderr, report } = await daemon.verify('ask', 'start', '--scenario', 'graceful');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(report.outcome).toBe('handed-over');
    expect(await leftOfRun(target)).toEqual([]);
  });

  test.for([
    ['kill', 'fail', '--worker-start'],
    ['fail', 'start', '--worker-stop'],
  ] as const)('%s, then %s: the command that fails is named', async ([stop, start, option], { open }) => {
    const target = await open('postgres');
    await using daemon = await startDaemon(target);
    const { exitCode, stderr, report } = await daemon.verify(stop, start);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(
      new RegExp(`^error: the command of ${option} failed \\(exit code 7\\): no such service\n`),
    );
    expect(report).toMatchObject({ verdict: 'error', error: { reason: 'environment' } });
    expect(await leftOfRun(target)).toEqual([]);
  });
});
