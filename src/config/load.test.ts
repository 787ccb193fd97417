import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { UserError } from '../core/errors.ts';
import type { UserConfig } from './define-config.ts';
import { loadSettings } from './load.ts';
import type { SettingsInput } from './load.ts';
import type { RawFlags } from './raw-flags.ts';
import type { Settings } from './settings.ts';

const DATABASE_URL = 'postgres://u:hidden@127.0.0.1:5432/app';

let cwd = '';
beforeEach(async () => {
  cwd = await realpath(await mkdtemp(path.join(tmpdir(), 'verify-restart config ')));
});
afterEach(async () => {
  await rm(cwd, { recursive: true });
});

function load(flags: RawFlags = {}, rest: Partial<SettingsInput> = {}): Promise<Settings> {
  return loadSettings({ flags, env: { DATABASE_URL }, cwd, isTTY: true, ...rest });
}

async function put(name: string, content: string): Promise<void> {
  await mkdir(path.dirname(path.join(cwd, name)), { recursive: true });
  await writeFile(path.join(cwd, name), content);
}

async function putConfig(config: object): Promise<void> {
  await put('verify-restart.config.json', JSON.stringify(config));
}

/** The error, after a look at what every error must be: a usage error with a remedy and without a secret. */
async function refusal(loading: Promise<Settings>): Promise<UserError> {
  const error: UserError = await loading.then(
    () => expect.fail('the settings were accepted'),
    (reason: unknown) => reason as UserError,
  );
  expect(error.kind).toBe('usage');
  expect(error.remedy ?? '').not.toBe('');
  expect(`${error.message} ${error.remedy ?? ''}`).not.toContain('hidden');
  return error;
}

test('with nothing but a database, everything is at its default', async () => {
  const settings = await load();
  expect(settings).toEqual({
    database: { url: DATABASE_URL },
    jobs: {
      table: 'pybase.extraction_jobs',
      columns: {
        id: 'id',
        status: 'status',
        taskId: 'celery_task_id',
        progress: 'progress',
        startedAt: 'started_at',
        completedAt: 'completed_at',
        createdAt: 'created_at',
        retryCount: 'retry_count',
        maxRetries: 'max_retries',
        lastRetryAt: 'last_retry_at',
        error: 'error_message',
        files: 'file_path',
        options: 'options',
        results: 'results',
        owner: null,
        leaseUntil: null,
        heartbeatAt: null,
        attempts: null,
      },
      namedColumns: [],
      statuses: {
        pending: ['pending', 'queued'],
        processing: ['processing', 'running', 'retrying'],
        completed: ['completed'],
        failed: ['failed'],
        cancelled: ['cancelled', 'canceled'],
      },
      insert: {},
      archive: null,
    },
    queue: {
      kind: 'bullmq',
      backend: 'redis',
      url: 'redis://127.0.0.1:6379',
      name: 'extraction',
      task: 'extract_bulk',
      payload: expect.any(Function),
      prefix: 'bull',
      schema: 'bullmq',
    },
    worker: {
      command: null,
      stopCommand: null,
      startCommand: null,
      replicas: 1,
      env: {},
      cwd,
      readyPattern: null,
      stopGraceMs: 10_000,
    },
    effectsSql: null,
    backoff: null,
    criteria: {},
    scenarios: {},
    autoRestart: false,
    scenario: 'crash',
    strikeAt: { kind: 'progress' },
    files: 5,
    fileMode: 'valid',
    processingTimeoutMs: 30_000,
    terminalTimeoutMs: 120_000,
    settle: 'auto',
    witnesses: true,
    control: 'auto',
    observe: 'auto',
    hold: 'auto',
    repeat: 1,
    reporters: [{ name: 'console', path: null }],
    outputDir: path.join(cwd, '.verify-restart'),
    keep: false,
    allowRemote: false,
    verbosity: 'normal',
    configFile: null,
  });
  const job = { id: '7', filePaths: ['a.pdf'], taskId: 't', options: { a: 1 } };
  expect(settings.queue.payload(job)).toEqual({ jobId: '7', filePaths: ['a.pdf'], options: { a: 1 } });
});

test('every flag sets its setting', async () => {
  const settings = await load({
    databaseUrl: 'postgresql+asyncpg://u@localhost/other',
    table: 'jobs',
    queue: 'bullmq',
    queueBackend: 'redis',
    queueName: 'q',
    task: 't',
    brokerUrl: 'redis://localhost:6380/1',
    worker: 'node worker.js',
    workerReady: 'ready$',
    autoRestart: true,
    scenario: 'deploy',
    strikeAt: 'progress:40%',
    files: '9',
    fileMode: 'missing',
    processingTimeout: '5s',
    terminalTimeout: '1m',
    settle: '250ms',
    witnesses: false,
    control: 'off',
    observe: 'poll',
    hold: false,
    repeat: '1',
    reporter: 'console,json=out.json',
    outputDir: 'runs',
    keep: true,
    allowRemote: true,
    verbose: true,
  });
  expect(settings).toMatchObject({
    database: { url: 'postgres://u@localhost/other' },
    jobs: { table: 'jobs' },
    queue: { kind: 'bullmq', backend: 'redis', name: 'q', task: 't', url: 'redis://localhost:6380/1' },
    worker: { command: 'node worker.js', readyPattern: /ready$/, cwd },
    autoRestart: true,
    scenario: 'deploy',
    strikeAt: { kind: 'progress-at', percent: 40 },
    files: 9,
    fileMode: 'missing',
    processingTimeoutMs: 5_000,
    terminalTimeoutMs: 60_000,
    settle: 250,
    witnesses: false,
    control: 'off',
    observe: 'poll',
    hold: 'off',
    reporters: [
      { name: 'console', path: null },
      { name: 'json', path: path.join(cwd, 'out.json') },
    ],
    outputDir: path.join(cwd, 'runs'),
    keep: true,
    allowRemote: true,
    verbosity: 'verbose',
  });
});

describe('config files', () => {
  const typed = `
    import { defineConfig } from 'verify-restart';
    import type { UserConfig } from 'verify-restart';
    const table: string = 'from_config';
    export default defineConfig({ jobs: { table }, worker: { readyPattern: /ready/i }, queue: { payload: (job) => ({ id: job.id }) } } satisfies UserConfig);
  `;
  const untyped = `
    import { defineConfig } from 'verify-restart';
    export default defineConfig({ jobs: { table: 'from_config' }, worker: { readyPattern: /ready/i } });
  `;

  test.each([
    ['verify-restart.config.ts', typed],
    ['verify-restart.config.mts', typed],
    ['verify-restart.config.js', untyped],
    ['verify-restart.config.mjs', untyped],
    [
      'verify-restart.config.js',
      `const { defineConfig } = require('verify-restart');
       module.exports = defineConfig({ jobs: { table: 'from_config' }, worker: { readyPattern: /ready/i } });`,
    ],
    [
      'verify-restart.config.json',
      '\uFEFF{ "jobs": { "table": "from_config" }, "worker": { "readyPattern": "ready" } }',
    ],
  ])('%s works in a project that has not installed the package', async (name, content) => {
    await put(name, content);
    const settings = await load();
    expect(settings.jobs.table).toBe('from_config');
    expect(settings.worker.readyPattern?.test('ready')).toBe(true);
    expect(settings.configFile).toBe(path.join(cwd, name));
  });

  test('a payload function is taken as it is', async () => {
    await put('verify-restart.config.ts', typed);
    const { queue } = await load();
    expect(queue.payload({ id: '7', filePaths: [], taskId: 't', options: {} })).toEqual({ id: '7' });
  });

  test('a file imports others, awaits at its top and knows where it is', async () => {
    await put('config/table.ts', 'export const table: string = "imported";');
    await put(
      'verify-restart.config.ts',
      `import { table } from './config/table.ts';
       const name = await Promise.resolve(table);
       export default { jobs: { table: name }, worker: { env: { HERE: import.meta.dirname, GONE: undefined } } };`,
    );
    expect(await load()).toMatchObject({ jobs: { table: 'imported' }, worker: { env: { HERE: cwd } } });
  });

  test('one is looked for upward, and its paths are relative to it', async () => {
    await putConfig({ worker: { command: 'node worker.js' }, reporters: ['json=r.json'] });
    await mkdir(path.join(cwd, 'packages/api'), { recursive: true });
    const below = path.join(cwd, 'packages/api');
    const settings = await load({}, { cwd: below });
    expect(settings.worker.cwd).toBe(cwd);
    expect(settings.reporters).toEqual([{ name: 'json', path: path.join(cwd, 'r.json') }]);
    expect(settings.outputDir).toBe(path.join(cwd, '.verify-restart'));

    const flagged = await load({ worker: 'node other.js', outputDir: 'runs' }, { cwd: below });
    expect(flagged.worker.cwd).toBe(below);
    expect(flagged.outputDir).toBe(path.join(below, 'runs'));
  });

  test('the nearest one counts, and --config beats them all', async () => {
    await putConfig({ files: 1 });
    await put('a/verify-restart.config.json', '{ "files": 2 }');
    await put('a/other.json', '{ "files": 3 }');
    await put('cafe.mjs', 'export default { files: 4 };');
    const within = path.join(cwd, 'a');
    expect((await load({}, { cwd: within })).files).toBe(2);
    expect((await load({ config: 'other.json' }, { cwd: within })).files).toBe(3);
    expect((await load({ config: '../cafe.mjs' }, { cwd: within })).files).toBe(4);
  });

  test('everything of the interface can be said in a file', async () => {
    await put(
      'verify-restart.config.ts',
      `import { defineConfig } from 'verify-restart';
       export default defineConfig({
         database: { url: process.env.NOT_SET_ANYWHERE },
         jobs: {
           table: 'app.jobs',
           columns: { taskId: 'task', progress: null, owner: 'worker', leaseUntil: 'lease' },
           statuses: { pending: ['waiting', 'Retrying'], completed: ['done'] },
           insert: { tenant_id: 'acme' },
           archive: 'app.jobs_archive',
        archive: 'app.jobs_archive',
         },
         queue: { kind: 'bullmq', backend: 'postgres', url: undefined, name: 'q', task: 't', prefix: 'p', schema: 's' },
         worker: { command: 'node w.js', replicas: 2, env: { WORKER_NAME: 'w-{incarnation}' }, cwd: 'app', readyPattern: /ready/g, stopGrace: '3s' },
         effects: { sql: 'select 1' },
         criteria: { 'progress-monotonic': 'off', 'single-writer': 'advisory' },
         scenarios: { 'my-deploy': [{ stop: 'SIGTERM', reach: 'group', grace: '5s' }, { wait: '2s' }, { start: true }], kill: [{ stop: 'SIGKILL' }], ask: [{ stop: 'SIGINT' }] },
         autoRestart: true, scenario: 'my-deploy', strikeAt: '2s', files: 7, fileMode: 'missing',
         processingTimeout: '1s', terminalTimeout: '2s', settle: 'auto', witnesses: false, control: 'always',
         observe: 'trigger', hold: true, repeat: 1, reporters: ['console', 'json=r.json'], outputDir: 'out', keep: true, allowRemote: true,
       });`,
    );
    expect(await load()).toMatchObject({
      database: { url: DATABASE_URL },
      jobs: {
        table: 'app.jobs',
        columns: { id: 'id', taskId: 'task', progress: null, owner: 'worker', leaseUntil: 'lease' },
        namedColumns: ['taskId', 'owner', 'leaseUntil'],
        statuses: {
          pending: ['waiting', 'Retrying'],
          // What the file maps to pending is processing no more.
          processing: ['processing', 'running'],
          completed: ['done'],
          failed: ['failed'],
        },
        insert: { tenant_id: 'acme' },
      },
      queue: { backend: 'postgres', url: DATABASE_URL, name: 'q', task: 't', prefix: 'p', schema: 's' },
      worker: {
        command: 'node w.js',
        replicas: 2,
        env: { WORKER_NAME: 'w-{incarnation}' },
        cwd: path.join(cwd, 'app'),
        readyPattern: /ready/,
        stopGraceMs: 3_000,
      },
      effectsSql: 'select 1',
      criteria: { 'progress-monotonic': 'off', 'single-writer': 'advisory' },
      scenarios: {
        'my-deploy': [
          { stop: 'SIGTERM', reach: 'group', graceMs: 5_000 },
          { waitMs: 2_000 },
          { start: true },
        ],
        kill: [{ stop: 'SIGKILL', reach: 'tree', graceMs: null }],
        ask: [{ stop: 'SIGINT', reach: 'process', graceMs: null }],
      },
      autoRestart: true,
      scenario: 'my-deploy',
      strikeAt: { kind: 'after-processing', delayMs: 2_000 },
      files: 7,
      fileMode: 'missing',
      processingTimeoutMs: 1_000,
      terminalTimeoutMs: 2_000,
      settle: 'auto',
      witnesses: false,
      control: 'always',
      observe: 'trigger',
      hold: 'on',
      reporters: [
        { name: 'console', path: null },
        { name: 'json', path: path.join(cwd, 'r.json') },
      ],
      outputDir: path.join(cwd, 'out'),
      keep: true,
      allowRemote: true,
    });
  });

  test.each([
    [
      'verify-restart.config.ts',
      'const a: number = 1;\n\nexport default { files: 3 keep: true };',
      ', line 3: ',
    ],
    ['verify-restart.config.mjs', 'export default {\n  files: (,\n};', ', line 2: '],
    ['verify-restart.config.js', 'module.exports = {\n\n  files: 3 keep };', ', line 3: '],
    [
      'verify-restart.config.ts',
      'interface A {\n  b: number;\n}\nconst a: A | undefined = undefined;\nexport default { files: a.b };',
      ', line 5: Cannot read properties of undefined',
    ],
    [
      'verify-restart.config.mts',
      "\nthrow new Error('SECRET_NAME is not set.');",
      ', line 2: SECRET_NAME is not set',
    ],
    ['verify-restart.config.ts', "throw 'no error';", ' threw no error'],
    [
      'verify-restart.config.ts',
      "import { a } from 'not-a-package-of-anyone';\nexport default a;",
      'imports "not-a-package',
    ],
    [
      'verify-restart.config.mjs',
      "import { a } from './gone.mjs';\nexport default a;",
      'imports "./gone.mjs"',
    ],
    ['verify-restart.config.mjs', 'export const config = {};', 'has no default export'],
    ['verify-restart.config.ts', 'export const config: object = {};', 'has no default export'],
    [
      'verify-restart.config.ts',
      "import { defineConfig } from 'verify-restart';\nexport const config: object = defineConfig({});",
      'has no default export',
    ],
    [
      'verify-restart.config.js',
      "import 'verify-restart';\nexport const config = {};",
      'has no default export',
    ],
    ['verify-restart.config.json', '{\n  "files": 5,\n}', 'is no valid JSON: line 3, column 1'],
    ['verify-restart.config.ts', ' \n', 'is empty'],
    ['verify-restart.config.json', '', 'is empty'],
  ])('%s that is broken (%j): %s', async (name, content, words) => {
    await put(name, content);
    const error = await refusal(load());
    expect(error.code).toBe('config-broken');
    expect(error.message).toContain(`${name}${/^[,]/.test(words) ? '' : ' '}${words.trimStart()}`);
    expect(error.message).not.toMatch(/\n| {4}at /);
  });

  test.each([
    ['gone.ts', 'config-not-found', 'does not exist'],
    ['folder.ts', 'config-not-found', 'cannot be read (EISDIR)'],
    ['config.yaml', 'config-unsupported', 'no kind of config file'],
    ['config', 'config-unsupported', 'no kind of config file'],
  ])('--config %s: %s', async (file, code, words) => {
    await mkdir(path.join(cwd, 'folder.ts'));
    const error = await refusal(load({ config: file }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(`--config is "${file}"`);
    expect(error.message).toContain(words);
  });

  test.each<[object | null, string, string, string]>([
    [{ fils: 3 }, 'unknown-config-key', 'fils in', 'did you mean "files"?'],
    [{ worker: { comand: 'x' } }, 'unknown-config-key', 'worker.comand in', 'did you mean "command"?'],
    [{ jobs: { columns: { task_id: 'x' } } }, 'unknown-config-key', 'jobs.columns.task_id in', '"taskId"'],
    [{ table: 'jobs' }, 'unknown-config-key', 'table in', 'did you mean jobs.table?'],
    [
      { criteria: { 'single-writers': 'off' } },
      'unknown-config-key',
      'criteria["single-writers"]',
      '"single-writer"',
    ],
    [
      { scenarios: { s: [{ stop: 'SIGKILL', reech: 'tree' }] } },
      'unknown-config-key',
      'scenarios.s[0].reech',
      '"reach"',
    ],
    [{ queue: { kind: 'bulmq' } }, 'unknown-value', 'queue.kind in', 'did you mean "bullmq"?'],
    [{ criteria: { 'single-writer': 'of' } }, 'unknown-value', 'criteria["single-writer"] in', '"off"'],
    [{ scenarios: { s: [{ stop: 'SIGTRM' }] } }, 'unknown-value', 'scenarios.s[0].stop in', '"SIGTERM"'],
    [{ hold: 'off' }, 'unknown-value', 'hold in', 'valid: true, false, auto'],
    [{ hold: 1 }, 'invalid-config-value', 'hold in verify-restart.config.json is 1', 'true, false, "auto"'],
    [{ files: '5' }, 'invalid-config-value', 'is text, and should be a number', 'without quotes'],
    [{ settle: 5 }, 'invalid-config-value', 'settle in verify-restart.config.json is 5', 'with its unit'],
    [{ keep: 'yes' }, 'invalid-config-value', 'should be true or false', 'give true or false'],
    [{ reporters: 'json' }, 'invalid-config-value', 'should be a list', 'give a list'],
    [{ worker: 'node w.js' }, 'invalid-config-value', 'worker in', 'give an object'],
    [{ queue: { payload: {} } }, 'invalid-config-value', 'should be a function', 'give a function'],
    [{ worker: { readyPattern: 1 } }, 'invalid-config-value', 'text or a regular expression', 'give text'],
    [
      { jobs: { table: '' } },
      'invalid-config-value',
      'jobs.table in verify-restart.config.json is empty',
      'leave',
    ],
    [
      { jobs: { statuses: { failed: [] } } },
      'invalid-config-value',
      'jobs.statuses.failed',
      'leave the key out',
    ],
    [{ database: { url: ['hidden'] } }, 'invalid-config-value', 'database.url in', 'give text'],
    [null, 'invalid-config-value', 'the configuration in', 'give an object'],
    [[], 'invalid-config-value', 'the configuration in', 'give an object'],
    [{ jobs: { columns: { id: null } } }, 'indispensable-column', 'jobs.columns.id in', 'id'],
    [
      { jobs: { statuses: { failed: ['Done'], completed: ['done'] } } },
      'ambiguous-status',
      '"Done" under completed and under failed',
      'one state',
    ],
    [{ scenarios: { crash: [{ stop: 'SIGKILL' }] } }, 'scenario-taken', 'scenarios["crash"]', 'my-crash'],
    [{ scenarios: { s: [{ start: true }] } }, 'invalid-scenario', 'never stops a worker', 'SIGKILL'],
    [{ scenarios: { s: [{ stop: 'SIGKILL', wait: '1s' }] } }, 'invalid-scenario', 'no single step', 'wait'],
    [{ scenarios: { s: [{}] } }, 'invalid-scenario', 'no single step', 'start'],
    [{ scenarios: { s: [{ wait: '1s', grace: '1s' }] } }, 'invalid-scenario', 'no single step', 'start'],
    [
      { scenarios: { s: [{ stop: 'SIGKILL' }, { wait: '1' }] } },
      'invalid-duration',
      'wait of scenarios["s"][1]',
      '1h',
    ],
    [{ worker: { replicas: 0 } }, 'invalid-number', 'worker.replicas in', '1 to 100'],
    [{ worker: { stopGrace: 'soon' } }, 'invalid-duration', 'worker.stopGrace in', '500ms'],
    [
      { database: { url: 'mysql://u:hidden@h/d' } },
      'database-url-unsupported',
      'database.url in',
      'postgres://',
    ],
  ])('%j is refused: %s', async (config, code, message, remedy) => {
    await put('verify-restart.config.json', JSON.stringify(config));
    const error = await refusal(load({}, { env: {} }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.message).toContain('verify-restart.config.json');
    expect(error.remedy).toContain(remedy);
  });
});

describe('precedence', () => {
  test('flag, environment, .env, config file, in this order', async () => {
    const url = (name: string) => `postgres://127.0.0.1/${name}`;
    await putConfig({ database: { url: url('file') }, queue: { url: 'redis://localhost/3' } });
    expect((await load({}, { env: {} })).database.url).toBe(url('file'));
    expect((await load({}, { env: {} })).queue.url).toBe('redis://localhost/3');
    await put('.env', `# a comment\nDATABASE_URL="${url('dotenv')}"\nREDIS_URL=redis://localhost/2\n`);
    expect((await load({}, { env: {} })).database.url).toBe(url('dotenv'));
    expect((await load({}, { env: { DATABASE_URL: '' } })).database.url).toBe(url('dotenv'));
    expect((await load({}, { env: {} })).queue.url).toBe('redis://localhost/2');
    const env = { DATABASE_URL: url('process'), REDIS_URL: 'redis://localhost/1' };
    expect((await load({}, { env })).database.url).toBe(url('process'));
    expect((await load({}, { env })).queue.url).toBe('redis://localhost/1');
    const flags = { databaseUrl: url('flag'), brokerUrl: 'redis://localhost/0' };
    expect(await load(flags, { env })).toMatchObject({
      database: { url: url('flag') },
      queue: { url: 'redis://localhost/0' },
    });
  });

  test('a flag beats the config file, and what neither says is the default', async () => {
    await putConfig({
      files: 7,
      keep: true,
      hold: true,
      witnesses: false,
      scenario: 'deploy',
      strikeAt: '2s',
    });
    expect(await load({ files: '3', hold: false, strikeAt: 'pending' })).toMatchObject({
      files: 3,
      hold: 'off',
      strikeAt: { kind: 'pending' },
      keep: true,
      witnesses: false,
      scenario: 'deploy',
      fileMode: 'valid',
    });
  });

  test('a message names where the value came from', async () => {
    await put('.env', 'DATABASE_URL=mysql://u:hidden@h/db');
    expect((await refusal(load({}, { env: {} }))).message).toMatch(/^DATABASE_URL in \.env points to MySQL/);
    const env = { DATABASE_URL: 'sqlite:///x.db' };
    expect((await refusal(load({}, { env }))).message).toMatch(/^DATABASE_URL points to SQLite/);
    const flags = { databaseUrl: 'nonsense' };
    expect((await refusal(load(flags, { env }))).message).toMatch(/^--database-url is no PostgreSQL URL/);
  });

  test('.env gives URLs and nothing else: CI is what the process says', async () => {
    await put('.env', `CI=1\nDATABASE_URL=${DATABASE_URL}`);
    expect((await load({}, { env: {} })).autoRestart).toBe(false);
  });

  test('a folder called .env is none of ours', async () => {
    await mkdir(path.join(cwd, '.env'));
    expect((await load()).database.url).toBe(DATABASE_URL);
  });
});

describe('the queue', () => {
  test('BullMQ on PostgreSQL is in the job database unless told otherwise, whatever REDIS_URL says', async () => {
    const env = { DATABASE_URL, REDIS_URL: 'redis://localhost:1' };
    expect((await load({ queueBackend: 'postgres' }, { env })).queue.url).toBe(DATABASE_URL);
    const flags = { queueBackend: 'postgres', brokerUrl: 'postgresql+psycopg://localhost/queue' };
    expect((await load(flags, { env })).queue.url).toBe('postgres://localhost/queue');
  });

  test('CELERY_BROKER_URL is not BullMQ', async () => {
    const env = { DATABASE_URL, CELERY_BROKER_URL: 'redis://localhost:1' };
    expect((await load({}, { env })).queue.url).toBe('redis://127.0.0.1:6379');
  });
});

describe('the worker', () => {
  const stop = { workerStop: 'docker kill w', workerStart: 'docker start w' };

  test('flags replace either way of a config file', async () => {
    await putConfig({ worker: { command: 'node w.js' } });
    expect((await load(stop)).worker).toMatchObject({
      command: null,
      stopCommand: 'docker kill w',
      startCommand: 'docker start w',
    });
    await putConfig({ worker: { stopCommand: 'a', startCommand: 'b' } });
    expect((await load({ worker: 'node x.js' })).worker).toMatchObject({
      command: 'node x.js',
      stopCommand: null,
      startCommand: null,
    });
    expect((await load({ workerStop: 'c' })).worker).toMatchObject({ stopCommand: 'c', startCommand: 'b' });
  });

  test('one way only, and both halves of it', async () => {
    expect((await refusal(load({ ...stop, worker: 'node w.js' }))).code).toBe('worker-twice');
    const half = await refusal(load({ workerStop: 'docker kill w' }));
    expect(half).toMatchObject({ code: 'worker-half', message: expect.stringContaining('--worker-stop') });
    expect((await refusal(load({ worker: ' ' }))).code).toBe('invalid-command');
    await putConfig({ worker: { command: 'a', startCommand: 'b' } });
    expect((await refusal(load())).message).toContain('worker.command in verify-restart.config.json');
  });
});

describe('who restarts the worker', () => {
  test.each([
    [{ CI: '1' }, true, 'CI is set'],
    [{ CI: 'true' }, true, 'CI is set'],
    [{ CI: 'woodpecker' }, false, 'CI is set'],
    [{}, false, 'there is no terminal'],
    [{ CI: 'false' }, false, 'there is no terminal'],
  ])('with %j and terminal %s nobody can be asked', async (variables, isTTY, words) => {
    const env = { DATABASE_URL, ...variables };
    const error = await refusal(load({}, { env, isTTY }));
    expect(error).toMatchObject({ code: 'needs-auto-restart', message: expect.stringContaining(words) });
    expect(error.remedy).toMatch(/: add --auto-restart and --worker 'node dist\/worker\.js'$/);
    const settings = await load({ autoRestart: true, worker: 'node w.js' }, { env, isTTY });
    expect(settings.autoRestart).toBe(true);
  });

  test.each([{ CI: 'false' }, { CI: '0' }, { CI: '' }, {}])('with %j a person can', async (variables) => {
    expect((await load({}, { env: { DATABASE_URL, ...variables } })).autoRestart).toBe(false);
  });

  test.each<[string, RawFlags, UserConfig]>([
    ['worker', { worker: 'node w.js' }, {}],
    ['worker of the config', {}, { worker: { command: 'node w.js' } }],
    ['pair of commands', { workerStop: 'a', workerStart: 'b' }, {}],
  ])('where nobody can be asked and the %s is known, the flag alone is missing', async (_, flags, config) => {
    await putConfig(config);
    const error = await refusal(load(flags, { env: { DATABASE_URL, CI: '1' } }));
    expect(error.remedy).toBe('let verify-restart do it: add --auto-restart');
  });

  test('--auto-restart must know how', async () => {
    const error = await refusal(load({ autoRestart: true }));
    expect(error).toMatchObject({ code: 'needs-worker', remedy: expect.stringContaining("--worker 'node") });
    const pair = { workerStop: 'a', workerStart: 'b' };
    expect((await load({ autoRestart: true, ...pair })).worker.stopCommand).toBe('a');
    await putConfig({ worker: { command: 'node w.js' } });
    expect((await load({ autoRestart: true })).worker.command).toBe('node w.js');
  });

  test('a command that restarts nothing asks for nothing of it', async () => {
    const settings = await load({}, { env: { CI: '1' }, isTTY: false, purpose: 'maintenance' });
    expect(settings.database.url).toBeNull();
  });
});

describe('values that are refused', () => {
  test.each<[RawFlags, string, string, string]>([
    [{ queue: 'bulmq' }, 'unknown-value', '--queue is "bulmq"', 'did you mean "bullmq"?'],
    [{ queue: 'sql' }, 'not-available', '--queue is "sql"', 'available now: bullmq'],
    [{ queueBackend: 'postgre' }, 'unknown-value', '--queue-backend is "postgre"', '"postgres"'],
    [{ scenario: 'crsh' }, 'unknown-value', '--scenario is "crsh"', 'did you mean "crash"?'],
    [
      { scenario: 'freeze' },
      'not-available',
      '--scenario is "freeze"',
      'crash, graceful, graceful-group, deploy',
    ],
    [{ scenario: 'toString' }, 'unknown-value', '--scenario is "toString"', 'valid: crash'],
    [{ strikeAt: 'progres' }, 'invalid-strike-at', '--strike-at is "progres"', '"progress"'],
    [{ files: '0' }, 'invalid-number', '--files is "0"', '1 to 1000'],
    [{ files: '1001' }, 'invalid-number', '--files is "1001"', '1 to 1000'],
    [{ fileMode: 'mising' }, 'unknown-value', '--file-mode is "mising"', '"missing"'],
    [{ processingTimeout: '0s' }, 'invalid-duration', '--processing-timeout is "0s"', '30s'],
    [{ terminalTimeout: '2min' }, 'invalid-duration', '--terminal-timeout is "2min"', '2m'],
    [{ settle: 'atuo' }, 'invalid-duration', '--settle is "atuo"', '500ms'],
    [{ control: 'alway' }, 'unknown-value', '--control is "alway"', '"always"'],
    [{ observe: 'triger' }, 'unknown-value', '--observe is "triger"', '"trigger"'],
    [{ repeat: '0' }, 'invalid-number', '--repeat is "0"', '1 to'],
    [{ repeat: '10001' }, 'invalid-number', '--repeat is "10001"', '1 to'],
    [{ reporter: 'junit' }, 'not-available', '--reporter is "junit"', 'console, json'],
    [{ reporter: 'console,jsn' }, 'unknown-value', '--reporter is "jsn"', '"json"'],
    [{ outputDir: '' }, 'invalid-folder', '--output-dir is empty', 'folder'],
    [{ table: ' ' }, 'invalid-table', '--table is empty', 'schema.table'],
    [{ queueName: '' }, 'invalid-name', '--queue-name is empty', 'name'],
    [{ workerReady: '(' }, 'invalid-pattern', '--worker-ready is "("', 'backslash'],
    [{ quiet: true, verbose: true }, 'quiet-and-verbose', '-q and -v', 'one of them'],
    [
      { brokerUrl: 'amqp://u:hidden@h' },
      'broker-url-unsupported',
      '--broker-url points to RabbitMQ',
      'redis://',
    ],
  ])('%j: %s', async (flags, code, message, remedy) => {
    const error = await refusal(load(flags));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.remedy).toContain(remedy);
  });

  test('no database at all: how to name one, and that the demo needs none', async () => {
    const error = await refusal(load({}, { env: {} }));
    expect(error.code).toBe('no-database-url');
    expect(error.remedy).toMatch(/DATABASE_URL=postgres:.*verify-restart demo/);
  });
});

describe('other machines', () => {
  const remote = 'postgres://u:hidden@10.1.2.3/app';

  test('a database or broker elsewhere is refused, naming who and where', async () => {
    const byVariable = await refusal(load({}, { env: { DATABASE_URL: remote } }));
    expect(byVariable.code).toBe('remote-refused');
    expect(byVariable.message).toMatch(/^DATABASE_URL points to 10\.1\.2\.3:5432\/app,/);
    expect(byVariable.remedy).toContain('--allow-remote');
    const byFlag = await refusal(load({ brokerUrl: 'redis://:hidden@10.1.2.3' }));
    expect(byFlag.message).toMatch(/^--broker-url points to 10\.1\.2\.3:6379,/);
    const byHost = await refusal(load({}, { env: { DATABASE_URL: 'postgres:///app', PGHOST: '10.1.2.3' } }));
    expect(byHost.message).toContain('10.1.2.3:5432/app');
  });

  test('unless it is meant', async () => {
    expect((await load({ databaseUrl: remote, allowRemote: true })).database.url).toBe(remote);
    await putConfig({ allowRemote: true });
    expect((await load({ databaseUrl: remote })).database.url).toBe(remote);
  });
});

describe('the demo', () => {
  const demo = {
    database: { url: 'postgres://127.0.0.1:54321/demo' },
    queue: { backend: 'postgres' as const },
    worker: { command: 'node demo-worker.js' },
    autoRestart: true,
    files: 3,
  };

  test('reads neither environment nor .env nor config file, and takes flags', async () => {
    await put('.env', 'REDIS_URL=redis://localhost:1');
    await put('verify-restart.config.ts', 'this is broken');
    const settings = await load({ files: '4' }, { demo, env: { DATABASE_URL, PGHOST: '10.1.2.3', CI: '1' } });
    expect(settings).toMatchObject({
      database: { url: 'postgres://127.0.0.1:54321/demo' },
      queue: { backend: 'postgres', url: 'postgres://127.0.0.1:54321/demo' },
      worker: { command: 'node demo-worker.js', cwd },
      files: 4,
      configFile: null,
    });
  });

  test('takes no other target', async () => {
    const error = await refusal(load({ databaseUrl: DATABASE_URL }, { demo }));
    expect(error).toMatchObject({ code: 'demo-target', message: expect.stringContaining('--database-url') });
  });

  test('asks a person only where there is one', async () => {
    const loading = load({}, { demo: { ...demo, autoRestart: false }, env: { CI: '1' } });
    expect((await refusal(loading)).code).toBe('needs-auto-restart');
  });
});
