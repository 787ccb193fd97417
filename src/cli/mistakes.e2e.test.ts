/** What is missing or wrong is said in one clear message, with its exit code, no secret in it, and nothing left. */
import { describe, expect, test as plainTest } from 'vitest';
import { findFreePort } from '../embedded/free-port.ts';
import { targetsOfOwnSystem, type OpenTarget } from '../testing/own-system-test.ts';
import type { OwnTarget } from '../testing/own-system.ts';
import { ownWorker } from '../testing/own-worker.ts';
import { WorkFolder, type CliResult } from '../testing/run-cli.ts';
import { startTestWorker } from '../testing/bullmq-worker.ts';

const test = plainTest.extend<{ open: OpenTarget }>({ open: targetsOfOwnSystem() });

const USAGE = 2;
const ENVIRONMENT = 3;

/** What a call said, how it ended, and what it left. */
async function ending(where: Pick<OwnTarget, 'left'>, { exitCode, stderr }: CliResult) {
  return { exitCode, stderr, left: await where.left() };
}

/** One message, an `error:` line with its remedy below it, that has all of the texts; and nothing left. */
function message(exitCode: number, ...texts: readonly RegExp[]) {
  const wanted = texts.map(({ source }) => `(?=[^]*${source})`).join('');
  const form = String.raw`error: [^\n]+\n( +\S[^\n]*\n|\([^\n]+\)\n)+$`;
  return { exitCode, stderr: expect.stringMatching(new RegExp(`^${wanted}${form}`)) as string, left: [] };
}

/** Ends its job in the table, and waits for what never comes. */
const NEVER_RETURNS = `
  await set('processing');
  await set('completed');
  await new Promise(() => undefined);
`;

const PICKS_UP_AND_FAILS = `
  await set('processing');
  throw new Error('no such tenant');
`;

/** A run that would be fine, but for what the test changes. */
function verify(target: OwnTarget, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const worker = args.includes('--worker') ? [] : ['--worker', target.worker()];
  return target.folder.run(target.args('--auto-restart', ...worker, ...args), env);
}

function changed(
  url: string,
  change: Partial<Record<'port' | 'password' | 'hostname' | 'pathname', string>>,
) {
  return Object.assign(new URL(url), change).href;
}

describe.concurrent('servers', { timeout: 60_000 }, () => {
  test('a wrong password of the database', async ({ open }) => {
    const target = await open('postgres');
    const url = changed(target.databaseUrl, { password: 'wrong-secret' });
    const result = await verify(target, [], { DATABASE_URL: url });
    expect(await ending(target, result)).toEqual(message(ENVIRONMENT, /rejected the user or the password/));
    expect(result.stdout + result.stderr).not.toContain('wrong-secret');
  });

  test('a wrong password of Redis', async ({ open }) => {
    const target = await open('redis');
    const url = changed(target.redisUrl, { password: 'wrong-secret' });
    const result = await verify(target, [], { REDIS_URL: url });
    expect(await ending(target, result)).toEqual(message(ENVIRONMENT, /Redis .*password/i));
    expect(result.stdout + result.stderr).not.toContain('wrong-secret');
  });

  test('no password for a Redis that wants one', async ({ open }) => {
    const target = await open('redis');
    const result = await verify(target, [], { REDIS_URL: changed(target.redisUrl, { password: '' }) });
    expect(await ending(target, result)).toEqual(message(ENVIRONMENT, /password/i));
  });

  test('a database server that is stopped', async ({ open }) => {
    const target = await open('postgres');
    const port = String(await findFreePort());
    const result = await verify(target, [], { DATABASE_URL: changed(target.databaseUrl, { port }) });
    expect(await ending(target, result)).toEqual(
      message(ENVIRONMENT, new RegExp(`127\\.0\\.0\\.1:${port}`), /refused/),
    );
  });

  test('a Redis that is stopped', async ({ open }) => {
    const target = await open('redis');
    const port = String(await findFreePort());
    const result = await verify(target, [], { REDIS_URL: changed(target.redisUrl, { port }) });
    expect(await ending(target, result)).toEqual(
      message(ENVIRONMENT, new RegExp(`127\\.0\\.0\\.1:${port}`), /refused/),
    );
  });

  test('a host that nobody knows', async ({ open }) => {
    const target = await open('postgres');
    const url = changed(target.databaseUrl, { hostname: 'no-such-host.invalid' });
    const result = await verify(target, ['--allow-remote'], { DATABASE_URL: url });
    expect(await ending(target, result)).toEqual(message(ENVIRONMENT, /no-such-host\.invalid/));
  });

  test('a database that is not there', async ({ open }) => {
    const target = await open('postgres');
    const url = changed(target.databaseUrl, { pathname: '/no_such_database' });
    const result = await verify(target, [], { DATABASE_URL: url });
    expect(await ending(target, result)).toEqual(message(ENVIRONMENT, /no_such_database/));
  });

  test('a server that is not on this machine', async ({ open }) => {
    const target = await open('redis');
    const results = await Promise.all([
      verify(target, ['--database-url', 'postgres://me:wrong-secret@192.0.2.1/jobs']),
      verify(target, ['--broker-url', 'redis://:wrong-secret@192.0.2.2:6379']),
    ]);
    expect(await ending(target, results[0])).toEqual(
      message(USAGE, /--database-url points to 192\.0\.2\.1/, /--allow-remote/),
    );
    expect(await ending(target, results[1])).toEqual(
      message(USAGE, /--broker-url points to 192\.0\.2\.2/, /--allow-remote/),
    );
    for (const { stderr } of results) expect(stderr).not.toContain('wrong-secret');
  });
});

describe.concurrent('the table', { timeout: 60_000 }, () => {
  test('is missing; the migration tool of the folder is named', async ({ open }) => {
    const target = await open('postgres');
    await target.query('drop table pybase.extracted_documents, pybase.extraction_jobs');
    const plain = await verify(target, []);
    await target.folder.write('alembic.ini', '');
    const hinted = await verify(target, []);
    for (const result of [plain, hinted]) {
      expect(result.exitCode).toBe(ENVIRONMENT);
      expect(result.stderr).toMatch(/^error: .*pybase\.extraction_jobs/);
    }
    expect(plain.stderr).toContain('--table');
    expect(hinted.stderr).toContain('alembic upgrade head');
    expect(await target.left()).toEqual([]);
  });

  test('lacks a column that the config names', async ({ open }) => {
    const target = await open('postgres');
    await target.folder.write(
      'verify-restart.config.json',
      JSON.stringify({ jobs: { columns: { progress: 'percent_done' } } }),
    );
    expect(await ending(target, await verify(target, []))).toEqual(
      message(ENVIRONMENT, /percent_done/, /pybase\.extraction_jobs/),
    );
  });

  test('has a column that nobody fills', async ({ open }) => {
    const target = await open('postgres');
    await target.query('alter table pybase.extraction_jobs add tenant_id text not null');
    expect(await ending(target, await verify(target, []))).toEqual(
      message(ENVIRONMENT, /tenant_id/, /insert:/),
    );
  });
});

describe.concurrent('the call', { timeout: 60_000 }, () => {
  /** Of a user whose servers never get to be asked. */
  const test = plainTest.extend<{ folder: WorkFolder }>({
    // oxlint-disable-next-line no-empty-pattern
    folder: async ({}, use) => {
      const env = { DATABASE_URL: 'postgres://me:wrong-secret@127.0.0.1:1/jobs' };
      await using folder = await WorkFolder.make({ env, secrets: ['wrong-secret'] });
      await use(folder);
    },
  });
  const RUN = ['run', '--auto-restart', '--worker', 'true'];

  test.for([
    { args: ['run', '--auto-restart'], texts: [/--worker/] },
    { args: ['run'], texts: [/no terminal/, /--auto-restart/] },
    { args: ['run', '--auto-restrat'], texts: [/unknown option '--auto-restrat'/, /--auto-restart/] },
    { args: [...RUN, '--scenario', 'grceful'], texts: [/grceful/, /graceful/] },
    { args: [...RUN, '--files', 'many'], texts: [/--files/, /many/] },
    { args: [...RUN, '--queue', 'kafka'], texts: [/--queue is "kafka"/, /bullmq/] },
    { args: [...RUN, '--config', 'nowhere.ts'], texts: [/nowhere\.ts/, /does not exist/] },
    { args: ['clenup'], texts: [/clenup/, /did you mean "cleanup"/] },
    { args: ['report', 'nonexist'], texts: [/no run nonexist: looked in \S+\/\.verify-restart/] },
  ])('$args', async ({ args, texts }, { folder }) => {
    expect(await ending(folder, await folder.run(args))).toEqual(message(USAGE, ...texts));
    expect(await folder.events()).toEqual([]);
  });

  test('the help names the command that is meant where none is given', async ({ folder }) => {
    const { exitCode, stdout } = await folder.run(['--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^ +run \[options\] +the default: /m);
  });

  test('in CI nobody is asked', async ({ folder }) => {
    const result = await folder.run(['run'], { CI: '1' });
    expect(await ending(folder, result)).toEqual(message(USAGE, /CI is set/, /--auto-restart/));
  });

  test('an unknown key of the config, with the nearest that there is', async ({ folder }) => {
    await folder.write('verify-restart.config.json', JSON.stringify({ queue: { nam: 'x' } }));
    const result = await folder.run(RUN);
    expect(await ending(folder, result)).toEqual(message(USAGE, /queue\.nam in/, /did you mean "name"/));
  });

  test('no database is named', async ({ folder }) => {
    const result = await folder.run(RUN, { DATABASE_URL: '' });
    expect(await ending(folder, result)).toEqual(message(USAGE, /DATABASE_URL/));
  });

  test('the output folder cannot be written', async ({ folder }) => {
    // A file in the way stops root, too.
    await folder.write('taken', '');
    const result = await folder.run([...RUN, '--output-dir', 'taken/runs']);
    expect(await ending(folder, result)).toEqual(message(ENVIRONMENT, /taken\/runs/, /--output-dir/));
  });

  test.for([
    ['taken/deeper/report.json', 'taken is no folder'],
    ['there', 'it is a folder'],
  ])(
    'a report cannot be written to %s: before the run, and nothing is begun',
    async ([path, why], { folder }) => {
      await folder.write('taken', '');
      await folder.write('there/a', '');
      const result = await folder.run([...RUN, '--reporter', `json=${path}`]);
      const texts = [new RegExp(`written to \\S*${path}: .*${why}`), /--reporter json=<path>/];
      expect(await ending(folder, result)).toEqual(message(ENVIRONMENT, ...texts));
      expect(await folder.events()).toEqual([]);
    },
  );
});

describe.concurrent('the worker', { timeout: 60_000 }, () => {
  test('is not alone: another consumer is named with its pid', async ({ open }) => {
    const target = await open('redis');
    const connection = {
      host: '127.0.0.1',
      port: Number(new URL(target.redisUrl).port),
      password: new URL(target.redisUrl).password,
    };
    await using other = await startTestWorker({ backend: 'redis', connection, queue: target.queueName });
    const result = await verify(target, []);
    expect(result.exitCode).toBe(ENVIRONMENT);
    expect(result.stderr).toMatch(
      new RegExp(`^error: the queue ${target.queueName} already has consumers.*pid ${other.pid}`),
    );
    expect(result.stderr).not.toContain(connection.password);
  });

  test.for([
    {
      worker: 'no-such-program --queue extraction',
      texts: [/the worker ended at once \(exit code 127\)/, /no-such-program/, /--worker/],
    },
    {
      // Its output comes out again, in the message and in its log: without the password.
      worker: `echo first line; echo "$DATABASE_URL" >&2; exit 3`,
      texts: [/the worker ended at once \(exit code 3\)/, /first line/, /target_/],
    },
  ])('ends at once: $worker', async ({ worker, texts }, { open }) => {
    const target = await open('postgres');
    const result = await verify(target, ['--worker', worker]);
    expect(await ending(target, result)).toEqual(message(ENVIRONMENT, ...texts));
  });

  test('writes the password into a file of its own: these tests would have seen it', async ({ open }) => {
    const target = await open('postgres');
    const result = await verify(target, ['--worker', 'echo "$DATABASE_URL" >leak.txt; exit 3']);
    expect(result.exitCode).toBe(ENVIRONMENT);
    expect(await target.left()).toEqual([expect.stringMatching(/^a secret in .*leak\.txt$/)]);
  });

  test('never becomes ready', async ({ open }) => {
    const target = await open('redis');
    const args = ['--processing-timeout', '1s', '--worker', 'echo starting; exec sleep 60'];
    const result = await verify(target, args);
    expect(await ending(target, result)).toEqual(
      message(ENVIRONMENT, /did not become ready within 1 s/, /starting/, /--worker-ready/),
    );
  });

  test('never prints the line that says it is ready', async ({ open }) => {
    const target = await open('postgres');
    const result = await verify(target, ['--processing-timeout', '1s', '--worker-ready', 'all set']);
    expect(await ending(target, result)).toEqual(
      message(ENVIRONMENT, /did not become ready within 1 s/, /--worker-ready/),
    );
  });

  test('listens on another queue: not ready by its connection', async ({ open }) => {
    const target = await open('redis');
    const elsewhere = target.worker().replace(target.queueName, `${target.queueName}-elsewhere`);
    const args = ['--processing-timeout', '2s', '--worker', elsewhere];
    expect(await ending(target, await verify(target, args))).toEqual(
      message(ENVIRONMENT, /did not become ready/, new RegExp(target.queueName)),
    );
  });

  test('listens on another queue: ready by its word, and nobody picks the job up', async ({ open }) => {
    const target = await open('postgres');
    const elsewhere = target.worker().replace(target.queueName, `${target.queueName}-elsewhere`);
    const args = ['--processing-timeout', '2s', '--worker-ready', 'ready', '--worker', elsewhere];
    const results = [await verify(target, args), await verify(target, [...args, '--no-witnesses'])];
    expect(results.map(({ exitCode }) => exitCode)).toEqual([ENVIRONMENT, ENVIRONMENT]);
    expect(results[0]?.stderr).toMatch(/^error: no worker changed the row .* within 2 s.* waiting/);
    expect(results[1]?.stderr).toMatch(/^error: the job did not reach PROCESSING within 2 s: .*0 workers/);
    for (const { stderr } of results) expect(stderr).toMatch(/compare the worker's queue name/);
  });

  test('refuses the first test job, and why', async ({ open }) => {
    const target = await open('redis');
    await target.folder.write('worker.mjs', ownWorker(target.queueName, "throw new Error('no such tenant')"));
    const args = ['--processing-timeout', '2s', '--worker', 'exec node worker.mjs'];
    expect(await ending(target, await verify(target, args))).toEqual(
      message(ENVIRONMENT, /no worker changed the row .* in the queue it is dead \(no such tenant\)/),
    );
  });

  test('takes the first test job up and fails it for good: that is not waited out', async ({ open }) => {
    const target = await open('redis');
    await target.folder.write('worker.mjs', ownWorker(target.queueName, PICKS_UP_AND_FAILS));
    const args = ['--terminal-timeout', '10m', '--worker', 'exec node worker.mjs'];
    expect(await ending(target, await verify(target, args))).toEqual(
      message(
        ENVIRONMENT,
        /failed for good in the queue \(no such tenant\).* its row says "processing"/,
        /payload/,
      ),
    );
  });

  test('never lets go of the first test job, and so takes no other', async ({ open }) => {
    const target = await open('redis');
    await target.folder.write('worker.mjs', ownWorker(target.queueName, NEVER_RETURNS));
    const args = ['--processing-timeout', '3s', '--worker', 'exec node worker.mjs'];
    expect(await ending(target, await verify(target, args))).toEqual(
      message(ENVIRONMENT, /did not reach PROCESSING within 3 s/, /let the handler return/),
    );
  });

  test('is not connected where somebody else is to restart it', async ({ open }) => {
    const target = await open('redis');
    const args = ['--auto-restart', '--worker-stop', 'true', '--worker-start', 'true'];
    const result = await target.folder.run(target.args(...args));
    expect(await ending(target, result)).toEqual(
      message(ENVIRONMENT, /no worker is connected to the queue/, /start your worker first/),
    );
  });

  test("has a folder that isn't there", async ({ open }) => {
    const target = await open('postgres');
    await target.folder.write('verify-restart.config.json', JSON.stringify({ worker: { cwd: 'nowhere' } }));
    expect(await ending(target, await verify(target, []))).toEqual(message(USAGE, /nowhere/, /worker\.cwd/));
  });
});
