/** `run --queue http` from outside, on the bundled extraction service: its API, its queue and its worker. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
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
    readonly onStart?: () => Promise<void>;
  },
): Promise<Run> {
  const worker = {
    command: options.worker ?? WORKER,
    readyPattern: 'ready',
    env: { DATABASE_URL: postgres.url },
  };
  const config = { queue: { kind: 'http', ...queue }, worker, autoRestart: true };
  await writeFile(join(folder, 'verify-restart.config.json'), JSON.stringify(config));
  const { DATABASE_URL: _, VERIFY_RESTART_TOKEN: __, ...env } = process.env;
  const child = spawn(process.execPath, [join(ROOT, 'bin/verify-restart.js'), 'run', '--files', '4'], {
    cwd: folder,
    env: {
      ...env,
      ...(options.withDatabase ? { DATABASE_URL: postgres.url } : {}),
      ...(options.token === undefined ? {} : { VERIFY_RESTART_TOKEN: options.token }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started = options.onStart?.();
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray());
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  await started;
  const result = {
    code,
    stdout: (await stdout)?.join('') ?? '',
    stderr: (await stderr)?.join('') ?? '',
    journal: await readJournals(),
  };
  for (const text of [result.stdout, result.stderr, result.journal])
    expect(text).not.toMatch(/nobody-may-see/);
  const events = result.journal
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
  return { ...result, events };
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
    const { code, stdout, events } = await run({ url, remove: {} }, { withDatabase: true, token: TOKEN });
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
      /no duplicate of it was made rows cannot be counted: there is no access to the database, and the API is not set up to list its jobs/,
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/could not be removed: .*"kind":"message"/);
    // The subject and its witnesses.
    expect(await rowsLeft()).toBe(3);
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
    expect(stderr).toMatch(/could not be removed: .*"kind":"message"/);
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
