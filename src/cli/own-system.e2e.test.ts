/** `verify-restart run --auto-restart` against a user's own PostgreSQL, Redis and worker. */
import { describe, expect, test as plainTest } from 'vitest';
import type { EventOf } from '../core/event.ts';
import { targetsOfOwnSystem, type OpenTarget } from '../testing/own-system-test.ts';
import type { OwnTarget } from '../testing/own-system.ts';
import { ownWorker } from '../testing/own-worker.ts';
import { jsonReport, notPassed } from '../testing/run-cli.ts';

const test = plainTest.extend<{ open: OpenTarget }>({ open: targetsOfOwnSystem() });

async function verify(
  target: OwnTarget,
  worker: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  const result = await target.folder.run(
    target.args('--auto-restart', '--worker', worker, '--reporter', 'json', ...args),
    env,
  );
  expect(result.stderr).toBe('');
  return { exitCode: result.exitCode, notPassed: notPassed(jsonReport(result)) };
}

/** Without an effects query, and with nothing that is retried. */
const SKIPPED = { 'backoff-honoured': 'skipped', 'effects-exactly-once': 'skipped' };
const PASSED = { exitCode: 0, notPassed: SKIPPED };

/** Half a second a file; what is handed to it again is marked as completed, whatever was done. */
const MARKS_WHAT_IT_IS_HANDED_AGAIN = `
  if ((await state()) === 'processing') return set('completed');
  await set('processing');
  for (const _ of files) await pause(500);
  await set('completed');
`;

/** The command lines of the processes that got the signal; the first is the worker's own. */
async function struck(target: OwnTarget): Promise<readonly string[]> {
  const events = await target.folder.events();
  const fault = events.find((event) => event.kind === 'fault:injected') as EventOf<'fault:injected'>;
  const tree = events.find((event) => event.kind === 'worker:processes') as EventOf<'worker:processes'>;
  const commands = new Map(tree.processes.map(({ pid, command }) => [pid, command]));
  return fault.pids.map((pid) => commands.get(pid) ?? '');
}

/** The subject as it was last recorded before the strike, in the table and in the queue. */
async function atStrike(target: OwnTarget) {
  const events = await target.folder.events();
  const before = events.slice(
    0,
    events.findIndex((event) => event.kind === 'fault:injected'),
  );
  const row = before.findLast((event) => event.kind === 'row:version' && event.role === 'subject');
  const message = before.findLast((event) => event.kind === 'broker:snapshot' && event.role === 'subject');
  return {
    row: row?.kind === 'row:version' ? row.values : null,
    message: message?.kind === 'broker:snapshot' ? message.state : null,
  };
}

/** A worker that does no work. @param shown the status that it writes before it returns; `null`: none */
function acknowledgesAtOnce(queueName: string, shown: string | null): string {
  return `
import { Worker } from ${JSON.stringify(import.meta.resolve('bullmq'))};
import pg from ${JSON.stringify(import.meta.resolve('pg'))};
const database = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const shown = ${JSON.stringify(shown)};
new Worker(${JSON.stringify(queueName)}, async ({ data }) => {
  if (shown !== null) {
    await database.query('update pybase.extraction_jobs set status = $2 where id = $1', [data.jobId, shown]);
  }
}, { connection: { url: process.env.REDIS_URL } });
`;
}

describe.concurrent('on servers of its own', { timeout: 60_000 }, () => {
  test.for(['redis', 'postgres'] as const)(
    '%s: a worker that survives its restart passes',
    async (backend, { open }) => {
      const target = await open(backend);
      expect(await verify(target, target.worker())).toEqual(PASSED);
      expect(await target.left()).toEqual([]);
    },
  );

  test.for([
    ['graceful-group', 'redis'],
    ['deploy', 'postgres'],
  ] as const)('%s on %s: a worker that hands its job back passes', async ([scenario, backend], { open }) => {
    const target = await open(backend);
    expect(await verify(target, target.worker(), ['--scenario', scenario])).toEqual(PASSED);
    expect(await target.left()).toEqual([]);
  });

  test.for([
    ['crash', 'redis'],
    ['graceful', 'postgres'],
    ['graceful-group', 'redis'],
    ['deploy', 'postgres'],
  ] as const)('%s with its fault left out proves nothing', async ([scenario, backend], { open }) => {
    const target = await open(backend);
    const args = ['--scenario', scenario, '--files', '2', '--no-witnesses'];
    const verdict = await verify(target, target.worker(), args, { VERIFY_RESTART_DISARMED: '1' });
    expect(verdict).toMatchObject({ exitCode: 4, notPassed: { 'restart-observed': 'inconclusive' } });
    expect(await target.left()).toEqual([]);
  });

  test.for([
    { moment: 'processing', backend: 'redis', progress: [0, 12] },
    { moment: 'progress:40%', backend: 'postgres', progress: [50, 62] },
    { moment: '1200ms', backend: 'redis', progress: [25, 37, 50] },
  ] as const)('strikes at $moment', async ({ moment, backend, progress }, { open }) => {
    const target = await open(backend);
    expect(await verify(target, target.worker(), ['--strike-at', moment])).toEqual(PASSED);
    expect(progress).toContain((await atStrike(target)).row?.progress);
  });

  test('struck before it is picked up, it proves no less than a run that is struck in flight', async ({
    open,
  }) => {
    const target = await open('postgres');
    const verdict = await verify(target, target.worker(), ['--strike-at', 'pending', '--no-witnesses']);
    // Whether the worker was faster than the strike is chance. If it was, the job was in flight.
    const { row, message } = await atStrike(target);
    const inFlight = row?.state === 'processing' || message === 'active';
    expect(inFlight ? [0] : [0, 4]).toContain(verdict.exitCode);
    expect(Object.values(verdict.notPassed)).not.toContain('failed');
    expect(await target.left()).toEqual([]);
  });

  test('a job that ends before the strike proves nothing', async ({ open }) => {
    const target = await open('redis');
    const worker = target.worker(undefined, '--item-ms', '0');
    const verdict = await verify(target, worker, ['--files', '1', '--strike-at', '2s', '--no-witnesses']);
    expect(verdict).toMatchObject({ exitCode: 4, notPassed: { 'restart-observed': 'inconclusive' } });
    expect(await target.left()).toEqual([]);
  });

  test.for([
    { shown: 'processing', exitCode: 4, said: /strike-never-came/ },
    { shown: null, exitCode: 3, said: /the worker has done with the message, and left no trace in the row/ },
  ])(
    'a job that is acknowledged without work, its row $shown: that is the cause',
    async ({ shown, exitCode, said }, { open }) => {
      const target = await open('redis');
      await target.folder.write('acknowledges.mjs', acknowledgesAtOnce(target.queueName, shown));
      const times = ['--terminal-timeout', '3s', '--processing-timeout', '3s', '--no-witnesses'];
      const args = target.args('--auto-restart', '--worker', 'node acknowledges.mjs', ...times);
      const result = await target.folder.run(args);
      expect(result.exitCode).toBe(exitCode);
      expect(result.stdout + result.stderr).toMatch(said);
      expect(await target.left()).toEqual([]);
    },
  );

  test('where the row is polled it passes, and leaves the schema alone', async ({ open }) => {
    const target = await open('postgres');
    expect(await verify(target, target.worker(), ['--observe', 'poll'])).toMatchObject({ exitCode: 0 });
    const events = await target.folder.events();
    expect(events.some((event) => event.kind === 'made' && event.thing.kind === 'history')).toBe(false);
    expect(await target.left()).toEqual([]);
  });

  test('--keep keeps rows and messages, and cleanup respects that', async ({ open }) => {
    const target = await open('postgres');
    expect(await verify(target, target.worker(), ['--keep'])).toEqual(PASSED);
    const left = new Set((await target.left()).map((entry) => entry.replace(/: .*/, '')));
    expect(left).toContain('row of bullmq.job');
    const ofJobs = [...left].filter((entry) => !entry.startsWith('row of bullmq.'));
    expect(new Set(ofJobs)).toEqual(
      new Set(['row of pybase.extracted_documents', 'row of pybase.extraction_jobs']),
    );
    expect((await target.folder.run(['cleanup'])).stdout).toMatch(/^nothing to remove/);
  });

  test('behind npm start the strike reaches the worker itself', async ({ open }) => {
    const target = await open('redis');
    const scripts = { start: target.worker() };
    await target.folder.write('package.json', JSON.stringify({ name: 'service', scripts }));
    expect(await verify(target, 'npm start', ['--scenario', 'graceful'])).toEqual(PASSED);
    expect((await struck(target)).join()).toMatch(/^node \S+worker\.js/);
    expect(await target.left()).toEqual([]);
  });

  test.for(['crash', 'graceful'])(
    '%s: behind a shell that stays, the strike reaches the worker itself',
    async (scenario, { open }) => {
      const target = await open('postgres');
      expect(await verify(target, `${target.worker()}; true`, ['--scenario', scenario])).toEqual(PASSED);
      const commands = await struck(target);
      expect(commands[0]).toMatch(/^node \S+worker\.js/);
      expect(commands).toHaveLength(scenario === 'crash' ? 2 : 1);
      expect(await target.left()).toEqual([]);
    },
  );

  test('where nothing shows how far a job has come, the time that it takes without a restart tells', async ({
    open,
  }) => {
    const target = await open('redis');
    await target.folder.write('worker.mjs', ownWorker(target.queueName, MARKS_WHAT_IT_IS_HANDED_AGAIN));
    await target.folder.write(
      'verify-restart.config.json',
      JSON.stringify({ jobs: { columns: { progress: null } } }),
    );
    const args = ['--strike-at', '1s', '--scenario', 'crash'];
    expect(await verify(target, 'exec node worker.mjs', args)).toMatchObject({
      exitCode: 4,
      notPassed: { 'picked-up-again': 'inconclusive' },
    });
    const events = await target.folder.events();
    expect(events.some((event) => event.kind === 'job:created' && event.role === 'control')).toBe(true);
  });

  test('two runs at once in one database and broker do not disturb each other', async ({ open }) => {
    const target = await open('postgres');
    const other = `${target.queueName}-other`;
    const verdicts = await Promise.all([
      verify(target, target.worker()),
      verify(target, target.worker().replace(target.queueName, other), ['--queue-name', other]),
    ]);
    expect(verdicts).toEqual([PASSED, PASSED]);
    expect(await target.left()).toEqual([]);
  });

  test('.env, a URL of SQLAlchemy and a config file in TypeScript are understood', async ({ open }) => {
    const target = await open('redis');
    const url = target.databaseUrl.replace('postgres:', 'postgresql+asyncpg:');
    await target.folder.write('.env', `DATABASE_URL=${url}\nREDIS_URL=${target.redisUrl}\n`);
    await target.folder.write(
      'verify-restart.config.ts',
      `import { defineConfig } from 'verify-restart';
       const name: string = ${JSON.stringify(target.queueName)};
       export default defineConfig({
         queue: { name },
         worker: {
           command: ${JSON.stringify(target.worker())},
           env: { DATABASE_URL: process.env.TEST_DATABASE_URL, REDIS_URL: process.env.TEST_REDIS_URL },
         },
         effects: { sql: 'select file_path, count(*) from pybase.extracted_documents where job_id = $1 group by 1' },
         autoRestart: true,
         files: 6,
         reporters: ['json'],
       });`,
    );
    const env = {
      DATABASE_URL: '',
      REDIS_URL: '',
      TEST_DATABASE_URL: target.databaseUrl,
      TEST_REDIS_URL: target.redisUrl,
    };
    const result = await target.folder.run([], env);
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(notPassed(jsonReport(result))).toEqual({ 'backoff-honoured': 'skipped' });
    expect(await target.left()).toEqual([]);
  });
});
