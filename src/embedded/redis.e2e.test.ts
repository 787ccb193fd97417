import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Thing } from '../core/event.ts';
import { findProgram, searchRedisServer, findRedisServer } from './redis-server.ts';
import { startRedis, type RunningRedis } from './redis.ts';
import { readStartToken } from './start-token.ts';

const found = await searchRedisServer();
const withoutRedis = found.kind === 'missing' && process.env['CI'] === undefined;
if (withoutRedis)
  process.stderr.write(`SKIPPED: the tests of Redis (${found.reason}); apt install redis-server\n`);
const onDebian = (await findProgram('apt-get', process.env['PATH'] ?? '')) !== null;

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let folder: string;
const running: RunningRedis[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verify-restart "test" -'));
});

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: Parameters<typeof startRedis>[0]): Promise<RunningRedis> {
  const server = await startRedis(options);
  running.push(server);
  return server;
}

async function withClient<Answer>(url: string, use: (client: Redis) => Promise<Answer>): Promise<Answer> {
  const client = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0, lazyConnect: true });
  let reason: Error | undefined;
  client.on('error', (error) => {
    reason = error;
  });
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    throw reason ?? error;
  } finally {
    client.disconnect();
  }
}

describe.skipIf(withoutRedis)('a server', () => {
  test('starts, answers, stops, and leaves its log alone behind', async () => {
    const made: Thing[] = [];
    const server = await start({ folder, onMade: (thing) => made.push(thing) });
    expect(server.url).toMatch(/^redis:\/\/:[\w-]{32}@127\.0\.0\.1:\d+$/);
    const port = new URL(server.url).port;
    const { pid, startToken } = server;
    expect(made).toEqual([{ kind: 'process', pid, startToken, marker: `127.0.0.1:${port}` }]);
    expect(await readStartToken(pid)).toBe(startToken);
    expect(await withClient(server.url, (client) => client.set('key', 'value'))).toBe('OK');
    expect(await withClient(server.url, (client) => client.info('server'))).toContain(`:${server.version}`);
    await server.stop();
    expect(await readStartToken(pid)).toBeNull();
    await expect(withClient(server.url, (client) => client.ping())).rejects.toThrow('ECONNREFUSED');
    expect(await readdir(folder)).toEqual(['redis.log']);
    await server.stop();
  });

  test('is closed to others, keeps all in memory and evicts nothing', async () => {
    const server = await start({ folder });
    await expect(
      withClient(server.url.replace(/:[\w-]{32}@/, ':wrong@'), (client) => client.ping()),
    ).rejects.toThrow(/WRONGPASS|NOAUTH|invalid/);
    expect((await stat(join(folder, 'redis.conf'))).mode & 0o777).toBe(0o600);
    const ask = async (name: string): Promise<unknown> =>
      withClient(server.url, async (client) => client.config('GET', name));
    expect(await ask('save')).toEqual(['save', '']);
    expect(await ask('appendonly')).toEqual(['appendonly', 'no']);
    expect(await ask('maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    expect(await ask('bind')).toEqual(['bind', '127.0.0.1']);
    expect(await ask('dir')).toEqual(['dir', folder]);
  });

  test.runIf(process.platform === 'linux')(
    'has its marker in its command line, and a session of its own',
    async () => {
      const server = await start({ folder });
      expect(await readFile(`/proc/${server.pid}/cmdline`, 'utf8')).toContain(new URL(server.url).host);
      const status = await readFile(`/proc/${server.pid}/stat`, 'utf8');
      const [, , group, session] = status.slice(status.lastIndexOf(')') + 2).split(' ');
      expect([Number(group), Number(session)]).toEqual([server.pid, server.pid]);
    },
  );

  test('a start that is given up leaves nothing running', async () => {
    const abort = new AbortController();
    const made: Thing[] = [];
    const reason = new Error('given up');
    const starting = startRedis({
      folder,
      signal: abort.signal,
      onMade: (thing) => {
        made.push(thing);
        abort.abort(reason);
      },
    });
    await expect(starting).rejects.toBe(reason);
    expect(made[0]?.kind === 'process' && (await readStartToken(made[0].pid))).toBeNull();
    expect(await readdir(folder)).toEqual(['redis.log']);
  });

  test('that ends at once is reported with the end of its log', async () => {
    const bin = join(folder, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'redis-server'), '#!/bin/sh\necho "no memory for $1"; exit 1\n', {
      mode: 0o755,
    });
    await expect(startRedis({ folder, search: { searchPath: bin } })).rejects.toMatchObject({
      kind: 'environment',
      code: 'redis-failed',
      message: expect.stringMatching(/no memory for .*redis\.conf/),
    });
  });
});

describe('the search', () => {
  test('takes the first executable file of the name', async () => {
    const [plain, valkey] = [join(folder, 'plain'), join(folder, 'valkey')];
    await mkdir(join(plain, 'valkey-server'), { recursive: true });
    await mkdir(valkey);
    await writeFile(join(plain, 'redis-server'), '', { mode: 0o644 });
    await writeFile(join(valkey, 'valkey-server'), '', { mode: 0o755 });
    const searchPath = `${plain}::${valkey}`;
    expect(await findRedisServer({ searchPath })).toBe(join(valkey, 'valkey-server'));
  });

  test.runIf(onDebian)(
    'unpacks the distribution’s package, which runs, and finds it again',
    { timeout: 180_000 },
    async ({ skip }) => {
      const search = { searchPath: '', cacheFolder: join(folder, 'the cache') };
      const unpacked = await searchRedisServer(search);
      skip(
        unpacked.kind === 'missing' && process.env['CI'] === undefined,
        `the distribution's packages are out of reach: ${unpacked.kind === 'missing' && unpacked.reason}`,
      );
      expect(unpacked).toMatchObject({
        kind: 'found',
        path: expect.stringMatching(/\/the cache\/redis-[\d.]+[^/]*\/redis-server$/),
      });
      expect(await readdir(search.cacheFolder)).toHaveLength(1);
      const server = await start({ folder, search });
      expect(await withClient(server.url, (client) => client.ping())).toBe('PONG');
      expect(await readFile(`/proc/${server.pid}/environ`, 'utf8')).not.toContain('unpacking');
      expect(await searchRedisServer(search)).toEqual(unpacked);
    },
  );

  test('without any, a start says what to install', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = '';
    try {
      await expect(startRedis({ folder, search: { cacheFolder: folder } })).rejects.toMatchObject({
        kind: 'environment',
        code: 'redis-missing',
        remedy: expect.stringMatching(/apt install redis-server|brew install redis/),
      });
    } finally {
      process.env['PATH'] = path;
    }
  });
});
