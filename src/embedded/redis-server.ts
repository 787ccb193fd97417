import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

export interface RedisSearch {
  /** Folders to look in for an installed server, as in `PATH`. */
  readonly searchPath?: string;
  /** Where unpacked servers are kept; made if needed. Default: `verify-restart` in the user's cache folder. */
  readonly cacheFolder?: string;
}

export type RedisFound =
  | { readonly kind: 'found'; readonly path: string }
  /** `reason`: a phrase that says what was looked for in vain. */
  | { readonly kind: 'missing'; readonly reason: string };

interface Package {
  readonly name: string;
  readonly version: string;
}

/** The program of a Redis server that runs on this machine, or `null`; see `searchRedisServer`. */
export async function findRedisServer(search: RedisSearch = {}): Promise<string | null> {
  const found = await searchRedisServer(search);
  return found.kind === 'found' ? found.path : null;
}

/**
 * Looks for `redis-server` or `valkey-server` in the search path, then for one unpacked earlier into the cache; else,
 * on Debian and Ubuntu, downloads the distribution's own package (1 MB, its signature checked by apt) and unpacks it
 * into the cache. Nothing is installed, and no privilege is needed. Never throws for want of a server.
 */
export async function searchRedisServer(search: RedisSearch = {}): Promise<RedisFound> {
  for (const name of ['redis-server', 'valkey-server']) {
    const path = await findProgram(name, search.searchPath ?? process.env['PATH'] ?? '');
    if (path !== null) return { kind: 'found', path };
  }
  const cacheFolder = search.cacheFolder ?? defaultCacheFolder();
  const kept = await findKept(cacheFolder);
  if (kept !== null) return { kind: 'found', path: kept };
  if ((await findProgram('apt-get', process.env['PATH'] ?? '')) === null) {
    return { kind: 'missing', reason: 'neither redis-server nor valkey-server is on the PATH' };
  }
  try {
    return { kind: 'found', path: await unpackFromDistribution(cacheFolder) };
  } catch (error) {
    // execFile's message is the whole command followed by all that it said; apt marks what matters by "E:".
    const said = (error instanceof Error ? error.message : String(error)).trim().split('\n');
    const detail = said.find((line) => line.startsWith('E: ')) ?? said.at(-1);
    return {
      kind: 'missing',
      reason: `neither redis-server nor valkey-server is on the PATH, and the distribution's package could not be unpacked (${detail})`,
    };
  }
}

/** The first executable file of that name in the folders of a search path. */
export async function findProgram(name: string, searchPath: string): Promise<string | null> {
  for (const folder of searchPath.split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      if ((await stat(path)).isFile()) return path;
    } catch {
      // not in this folder
    }
  }
  return null;
}

function defaultCacheFolder(): string {
  const configured = process.env['XDG_CACHE_HOME'];
  // The XDG base directory specification has relative paths ignored.
  const cache = configured?.startsWith('/') === true ? configured : join(homedir(), '.cache');
  return join(cache, 'verify-restart');
}

/** One that was unpacked earlier and still runs: an upgrade of the system may have taken its libraries away. */
async function findKept(cacheFolder: string): Promise<string | null> {
  const names = await readdir(cacheFolder).catch(() => []);
  for (const name of names.filter((name) => name.startsWith('redis-')).toSorted()) {
    const launcher = join(cacheFolder, name, 'redis-server');
    if (await runs(launcher)) return launcher;
  }
  return null;
}

async function runs(launcher: string): Promise<boolean> {
  return run(launcher, ['--version']).then(
    () => true,
    () => false,
  );
}

/**
 * apt itself says which packages an installation would bring, so that the libraries that are missing here, and no
 * others, come along. Where its lists are absent (fresh container images) or too old to be served, new ones are
 * fetched into a folder of our own, because the system's may be written by root alone.
 */
async function unpackFromDistribution(cacheFolder: string): Promise<string> {
  await mkdir(cacheFolder, { recursive: true, mode: 0o700 });
  const work = join(cacheFolder, `unpacking-${randomBytes(6).toString('hex')}`);
  try {
    const lists = join(work, 'lists');
    const archives = join(work, 'archives');
    await mkdir(join(lists, 'partial'), { recursive: true });
    await mkdir(join(archives, 'partial'), { recursive: true });
    // As root apt would drop to a user of its own, who may not enter this folder.
    const ownFolders = ['-o', `Dir::Cache=${archives}`, '-o', 'APT::Sandbox::User=root'];
    const ownLists = [...ownFolders, '-o', `Dir::State::lists=${lists}`];
    const packages = await download(work, ownFolders).catch(async () => {
      await run('apt-get', [...ownLists, 'update'], work);
      return download(work, ownLists);
    });
    return await unpack(packages, work, cacheFolder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function download(work: string, options: readonly string[]): Promise<readonly Package[]> {
  const plan = await run('apt-get', [
    ...options,
    'install',
    '--simulate',
    '--reinstall',
    '--no-install-recommends',
    'redis-server',
    'redis-tools',
  ]);
  const packages = parsePlan(plan).filter(isNeededToRun);
  if (!packages.some(({ name }) => name === 'redis-server'))
    throw new Error('apt-get offers no redis-server');
  await run(
    'apt-get',
    [...options, 'download', ...packages.map(({ name, version }) => `${name}=${version}`)],
    work,
  );
  return packages;
}

/** The packages that `apt-get install --simulate` would install: `Inst name [old version] (version source …)`. */
export function parsePlan(plan: string): readonly Package[] {
  return [...plan.matchAll(/^Inst (\S+) (?:\[[^\]]*\] )?\((\S+) /gm)].flatMap(([, name, version]) =>
    name === undefined || version === undefined ? [] : [{ name, version }],
  );
}

/** The server and libraries; a C library of another release would not fit the system's loader. */
function isNeededToRun({ name }: Package): boolean {
  return name.startsWith('redis-') || (name.startsWith('lib') && !name.startsWith('libc6'));
}

async function unpack(packages: readonly Package[], work: string, cacheFolder: string): Promise<string> {
  const made = join(work, 'redis');
  const root = join(made, 'root');
  await mkdir(root, { recursive: true });
  for (const file of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg-deb', ['--extract', join(work, file), root]);
  }
  const launcher = join(made, 'redis-server');
  await writeFile(launcher, launcherScript(await libraryFolders(root)), { mode: 0o755 });
  // Its message names what is missing still.
  await run(launcher, ['--version']);
  const version = packages.find(({ name }) => name === 'redis-server')?.version ?? 'unknown';
  const kept = join(cacheFolder, `redis-${version.replace(/^\d+:/, '')}`);
  await replaceFolder(made, kept);
  return join(kept, 'redis-server');
}

/** Someone else may do the same at the same time: whoever comes second takes what is there, if it runs. */
async function replaceFolder(made: string, kept: string): Promise<void> {
  try {
    await rename(made, kept);
  } catch (error) {
    if (await runs(join(kept, 'redis-server'))) return;
    await rm(kept, { recursive: true, force: true });
    await rename(made, kept).catch(() => {
      throw error;
    });
  }
}

/** Folders below `root`, relative to it, that hold shared libraries: `usr/lib/x86_64-linux-gnu` and the like. */
async function libraryFolders(root: string): Promise<readonly string[]> {
  const folders: string[] = [];
  for (const parent of ['lib', 'usr/lib']) {
    for (const name of ['', ...(await readdir(join(root, parent)).catch(() => []))]) {
      const folder = join(parent, name);
      const files = await readdir(join(root, folder)).catch(() => []);
      if (files.some((file) => /\.so(\.|$)/.test(file))) folders.push(folder);
    }
  }
  return folders;
}

/** `exec` keeps the pid: who starts the launcher has started the server. */
function launcherScript(folders: readonly string[]): string {
  const libraries = folders.map((folder) => `$here/root/${folder}`).join(':');
  return [
    '#!/bin/sh',
    'here=$(dirname "$0")',
    ...(libraries === ''
      ? []
      : [`LD_LIBRARY_PATH="${libraries}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`, 'export LD_LIBRARY_PATH']),
    'exec "$here/root/usr/bin/redis-server" "$@"',
    '',
  ].join('\n');
}

async function run(command: string, args: readonly string[], folder = '/'): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, {
    cwd: folder,
    env: { ...process.env, LC_ALL: 'C' },
    timeout: 120_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout;
}
