/** `run --queue http` from outside, on the bundled extraction service: its API, its queue and its worker. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Event } from '../core/event.ts';
import { createTables, openQueue, startApi, until, type ApiProcess } from '../testing/extraction-service.ts';
import { startTestPostgres, type TestServer } from '../testing/servers.ts';
import { serve } from '../testing/web-server.ts';

const ROOT = join(import.meta.dirname, '../..');
const TOKEN = 'token-that-nobody-may-see';
const PASSWORD = 'password-that-nobody-may-see';
const WORKER = `exec ${process.execPath} ${join(ROOT, 'dist/fixtures/extraction-service/worker.js')} --backend postgres --lock-duration 1000 --stalled-interval 500`;
const ARCHIVING_WORKER = `${WORKER.replace('worker.js', 'styles/archives-ended.js')} --item-ms 500`;
/** Long enough for a poll to see some items of it on a busy machine. */
const SLOW_WORKER = `${WORKER} --item-ms 500`;

let postgres: TestServer;
let database: Pool;
let folder: string;
let api: ApiProcess | null;

beforeAll(async () => {
  postgres = await startTestPostgres();
  database = new Pool({ connectionString: postgres.url });
  // Ended with the server.
  database.on('error', () => undefined);
  await createTables(database);
  await openQueue('postgres', 'migrations', { database: postgres.url, redis: '' }).close();
}, 60_000);
afterAll(async () => {
  await database.end();
  await postgres.stop();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vr-http-cli-'));
  api = null;
});
afterEach(async () => {
  api?.signal('SIGKILL');
  await api?.ended;
  await database.query('delete from pybase.extraction_jobs; delete from bullmq.job');
  await rm(folder, { recursive: true });
});

async function startService(...args: string[]): Promise<string> {
  const env = { DATABASE_URL: postgres.url, API_TOKEN: TOKEN, API_USER: 'u', API_PASSWORD: PASSWORD };
  api = await startApi(env, ['--backend', 'postgres', '--uploads', join(folder, 'uploads'), ...args]);
  return api.url;
}

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly Event[];
}

/** @param queue of the config file */
async function run(
  queue: Record<string, unknown>,
  options: {
    readonly withDatabase: boolean;
    readonly token?: string;
    readonly worker?: string;
    readonly jobs?: Record<string, unknown>;
    readonly onStart?: () => Promise<void>;
  },
): Promise<Run> {
  const worker = {
    command: options.worker ?? WORKER,
    readyPattern: 'ready',
    env: { DATABASE_URL: postgres.url },
  };
  const { jobs = {} } = options;
  const config = { queue: { kind: 'http', ...queue }, jobs, worker, autoRestart: true, settle: '1s' };
  await writeFile(join(folder, 'verify-restart.config.json'), JSON.stringify(config));
  const env: Record<string, string> = {};
  if (options.withDatabase) env['DATABASE_URL'] = postgres.url;
  if (options.token !== undefined) env['VERIFY_RESTART_TOKEN'] = options.token;
  const [result] = await Promise.all([runIn(folder, env, ['run', '--files', '4']), options.onStart?.()]);
  return result;
}

async function runIn(
  cwd: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<Run> {
  const { DATABASE_URL: _, VERIFY_RESTART_TOKEN: __, ...outer } = process.env;
  const child = spawn(process.execPath, [join(ROOT, 'bin/verify-restart.js'), ...args], {
    cwd,
    env: { ...outer, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray());
  const code = await new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
  });
  const [stdout = '', stderr = ''] = (await Promise.all(output)).map((chunks) => chunks.join(''));
  const journal = await readJournals();
  for (const text of [stdout, stderr, journal]) expect(text).not.toMatch(/nobody-may-see/);
  const events = journal
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
  return { code, stdout, stderr, events };
}

async function readJournals(): Promise<string> {
  const output = join(folder, '.verify-restart');
  const runs = await readdir(output).catch(() => []);
  const texts = await Promise.all(runs.map((name) => readFile(join(output, name, 'journal.ndjson'), 'utf8')));
  return texts.join('');
}

async function rowsLeft(): Promise<number> {
  const { rows } = await database.query('select from pybase.extraction_jobs');
  return rows.length;
}

async function uploadsLeft(): Promise<readonly string[]> {
  return readdir(join(folder, 'uploads')).catch(() => []);
}

async function messagesLeft(): Promise<number> {
  const { rows } = await database.query(`select from bullmq.job where queue = 'extraction'`);
  return rows.length;
}

test(
  'with the database: a crash is survived, every version is seen, nothing is left',
  { timeout: 60_000 },
  async () => {
    const url = await startService();
    const { code, stdout, events } = await run(
      { url, remove: {} },
      { withDatabase: true, token: TOKEN, worker: SLOW_WORKER },
    );
    expect(stdout).toContain('the API accepts the token (GET /extraction/jobs/{id})');
    expect(stdout).toContain('VERIFIED');
    expect(code).toBe(0);
    const versions = events.filter((event) => event.kind === 'row:version' && event.source !== 'read');
    expect(versions[0]).toMatchObject({
      operation: 'insert',
      source: 'trigger',
      values: { status: 'pending' },
    });
    expect(events.find((event) => event.kind === 'job:created')).not.toHaveProperty('followedLate');
    expect([await rowsLeft(), await uploadsLeft(), await messagesLeft()]).toEqual([0, [], 0]);
  },
);

test(
  'a service that renames the files is followed by the id, and that is said',
  { timeout: 60_000 },
  async () => {
    const url = await startService('--rename-files');
    const login = { body: { username: 'u', password: PASSWORD } };
    const { code, stdout, events } = await run({ url, login }, { withDatabase: true });
    expect(stdout).toContain('followed from the answer of the API on');
    expect(code).toBe(0);
    expect(events.find((event) => event.kind === 'job:created')).toMatchObject({ followedLate: true });
    expect(stdout).toContain('no call that removes a job is configured');
    expect([await rowsLeft(), (await uploadsLeft()).length]).toEqual([0, 3]);
  },
);

test(
  'rows that the service has moved to its archive are removed there, and no others',
  { timeout: 60_000 },
  async () => {
    const archive = 'pybase.extraction_jobs_archive';
    await database.query(
      `create table ${archive} (like pybase.extraction_jobs including defaults);
       insert into ${archive} (id, status, file_path) values (gen_random_uuid(), 'completed', '[]');
       alter table pybase.extracted_documents drop constraint extracted_documents_job_id_fkey`,
    );
    const url = await startService();
    const { code, stdout, events } = await run(
      { url },
      { withDatabase: true, token: TOKEN, worker: ARCHIVING_WORKER, jobs: { archive } },
    );
    expect(stdout).toContain('VERIFIED');
    expect(code).toBe(0);
    // The subject and its witnesses were there, and are gone; what lay there before is not ours.
    expect(events.filter((event) => event.kind === 'row:archived')).toHaveLength(3);
    const { rows } = await database.query(`select file_path from ${archive}`);
    expect(rows).toEqual([{ file_path: '[]' }]);
    expect(await rowsLeft()).toBe(0);
  },
);

test('without the database: polled through the API, removed by it', { timeout: 60_000 }, async () => {
  const url = await startService();
  const { code, stdout, events } = await run(
    { url, token: TOKEN, remove: {}, list: {} },
    { withDatabase: false, worker: SLOW_WORKER },
  );
  expect(stdout).toContain('no database: the job is followed through the API');
  expect(stdout).toContain('VERIFIED');
  expect(code).toBe(0);
  expect(events.find((event) => event.kind === 'rows:counted')).toMatchObject({
    rows: [{ files: expect.objectContaining({ length: 4 }) }],
  });
  expect([await rowsLeft(), await uploadsLeft(), await messagesLeft()]).toEqual([0, [], 0]);
});

test(
  'what the API cannot show is skipped, what it cannot remove is left, and both are said',
  { timeout: 60_000 },
  async () => {
    const url = await startService();
    const { code, stdout, stderr } = await run(
      { url, token: TOKEN },
      { withDatabase: false, worker: SLOW_WORKER },
    );
    expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(
      /no duplicate was made rows cannot be counted: there is no access to the database, and the API is not set up to list its jobs/,
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/could not be removed: message \S+ in \S+\/api/);
    // The subject and its witnesses.
    expect(await rowsLeft()).toBe(3);
  },
);

test(
  'without the database another worker that has the job all along is found out',
  { timeout: 60_000 },
  async () => {
    const url = await startService();
    const hidden = spawn('sh', ['-c', `${WORKER} --item-ms 1500`], {
      env: { ...process.env, DATABASE_URL: postgres.url },
      stdio: 'ignore',
    });
    try {
      const idle = `exec ${process.execPath} -e "console.log('ready'); setInterval(() => {}, 1000)"`;
      const { code, stdout } = await run(
        { url, token: TOKEN, remove: {} },
        { withDatabase: false, worker: idle },
      );
      expect(stdout).toContain('docs/diagnoses.md#another-worker');
      expect(code).toBe(4);
    } finally {
      const ended = new Promise((resolve) => hidden.once('exit', resolve));
      hidden.kill('SIGKILL');
      await ended;
    }
  },
);

test('a wrong token ends the run before anything is made, with one message', async () => {
  const url = await startService();
  const { code, stderr, events } = await run(
    { url },
    { withDatabase: true, token: 'another-token-nobody-may-see' },
  );
  expect(code).toBe(3);
  expect(stderr).toMatch(
    /^error: GET \/extraction\/jobs\/\{id\} at 127\.0\.0\.1:\d+\/api\/v1: the API rejects the token \(401\): the token is not valid\n +set VERIFY_RESTART_TOKEN.*\n$/,
  );
  expect(events.some((event) => event.kind === 'made' && event.thing.kind !== 'folder')).toBe(false);
});

test(
  'a service that goes away in the middle: no verdict, and it is said why',
  { timeout: 60_000 },
  async () => {
    const url = await startService();
    const gone = async (): Promise<void> => {
      await until(
        () => 'a job with one item done',
        async () => {
          const { rows } = await database.query(
            'select from pybase.extraction_jobs where progress > 0 and progress < 100',
          );
          return rows.length > 0 ? true : null;
        },
      );
      api?.signal('SIGKILL');
    };
    const { code, stdout, stderr } = await run(
      { url, token: TOKEN, remove: {} },
      { withDatabase: false, worker: SLOW_WORKER, onStart: gone },
    );
    expect(code).toBe(3);
    expect(stdout).not.toContain('VERIFIED');
    expect(stderr).toMatch(/error: the API at .* refused the connection: nothing listens there/);
    expect(stderr).toMatch(/could not be removed: message \S+ in \S+\/api/);
  },
);

test(
  'an answer that was lost: the job is found by its files, and the submission is uncertain',
  { timeout: 60_000 },
  async () => {
    const url = await startService();
    await using proxy = await serve((request, response) => {
      const { authorization } = request.headers;
      const seen = proxy.requests.at(-1);
      const headers = {
        authorization: authorization ?? '',
        'content-type': request.headers['content-type'] ?? '',
      };
      void fetch(`${new URL(url).origin}${request.url}`, {
        method: request.method ?? 'GET',
        headers,
        ...(request.method === 'POST' && seen !== undefined ? { body: new Uint8Array(seen.body) } : {}),
      }).then(async (answer) => {
        if (request.method === 'POST') return request.socket.destroy();
        return response.writeHead(answer.status).end(answer.status === 204 ? undefined : await answer.text());
      });
    });
    const { code, events } = await run(
      { url: `${proxy.url}/api/v1`, remove: {} },
      { withDatabase: true, token: TOKEN },
    );
    expect(events.find((event) => event.kind === 'job:submitted')).toMatchObject({
      certainty: 'uncertain',
      problem: expect.stringContaining('was lost during POST /extraction/bulk'),
    });
    expect(code).toBe(0);
    expect([await rowsLeft(), await uploadsLeft(), await messagesLeft()]).toEqual([0, [], 0]);
  },
);

test('the config of docs/http.md, as it is written there', { timeout: 60_000 }, async () => {
  const url = await startService();
  const page = await readFile(join(ROOT, 'docs/http.md'), 'utf8');
  const [, config = ''] = /^```ts\n([^]*?)^```$/m.exec(page) ?? [];
  await writeFile(join(folder, 'verify-restart.config.ts'), config);
  const { code, stdout } = await runIn(folder, {
    DATABASE_URL: postgres.url,
    API_URL: url,
    API_USER: 'u',
    API_PASSWORD: PASSWORD,
    WORKER,
  });
  expect(stdout).toContain('VERIFIED');
  expect(code).toBe(0);
  expect([await rowsLeft(), await uploadsLeft(), await messagesLeft()]).toEqual([0, [], 0]);
});

test('what a run left that was killed is removed by cleanup', { timeout: 60_000 }, async () => {
  const url = await startService();
  const config = { queue: { kind: 'http', url, token: TOKEN, remove: {}, list: {} } };
  await writeFile(join(folder, 'verify-restart.config.json'), JSON.stringify(config));
  // As it stands in the journal of a run that was killed while it waited for the answer of the API.
  const text = 'verify-restart-20260101-000000-abcdef-subject-';
  const form = new FormData();
  form.append('files', new Blob(['%PDF-1.4']), `${text}file-1.pdf`);
  const headers = { authorization: `Bearer ${TOKEN}` };
  expect((await fetch(`${url}/extraction/bulk`, { method: 'POST', headers, body: form })).status).toBe(202);
  const things = [{ kind: 'upload', queue: 'http', queueName: 'x', table: null, filesColumn: null, text }];
  const run = join(folder, '.verify-restart', '20260101-000000-abcdef');
  await mkdir(run, { recursive: true });
  const lines = things.map((thing, seq) => `${JSON.stringify({ kind: 'made', thing, seq, atMs: 0 })}\n`);
  await writeFile(join(run, 'journal.ndjson'), lines.join(''));
  const { code, stdout } = await runIn(folder, {}, ['cleanup']);
  expect(stdout).toContain(`removed  what the API made of the files ${text}…`);
  expect(code).toBe(0);
  expect([await rowsLeft(), await uploadsLeft(), await messagesLeft()]).toEqual([0, [], 0]);
});
