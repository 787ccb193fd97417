import { randomBytes } from 'node:crypto';
import { chmod, chown, lchown, mkdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { environmentError } from '../core/errors.ts';
import type { Thing } from '../core/event.ts';
import { closedFolders, type ServerUser } from './server-user.ts';

/**
 * Makes a folder that belongs to the user who runs the server (`null`: ourselves), and returns its path: `postgres` in
 * the caller's folder, or, where that user may not get there, a new one in a temporary folder that everybody may enter.
 * The caller's folder itself is opened for that user's group, just to pass through; no other folder is touched.
 *
 * Throws the UserError `embedded-postgres-folder` where there is no such place.
 */
export async function makeServerFolder(
  callersFolder: string,
  user: ServerUser | null,
  onMade: ((thing: Thing) => void) | undefined,
): Promise<string> {
  const folder = await realpath(callersFolder);
  if (user === null) return makeOwnFolder(join(folder, 'postgres'), null);
  try {
    const closed = await closedFolders(folder, user);
    if (closed.every((path) => path === folder)) {
      if (closed.length > 0) {
        const { uid, mode } = await stat(folder);
        await chown(folder, uid, user.gid);
        await chmod(folder, (mode & 0o7707) | 0o010);
      }
      return await makeOwnFolder(join(folder, 'postgres'), user);
    }
    for (const parent of ['/tmp', '/var/tmp']) {
      if (!(await isOpen(parent, user))) continue;
      const path = join(await realpath(parent), `verify-restart-postgres-${randomBytes(6).toString('hex')}`);
      onMade?.({ kind: 'folder', path });
      return await makeOwnFolder(path, user);
    }
  } catch (error) {
    throw environmentError(
      'embedded-postgres-folder',
      `the folder for the embedded PostgreSQL cannot be handed to the user ${user.name}, as whom it has to run: ${String(error)}`,
      'run the command as an ordinary user, or use a PostgreSQL of your own, with --database-url',
      error,
    );
  }
  throw environmentError(
    'embedded-postgres-folder',
    `the user ${user.name}, as whom the embedded PostgreSQL has to run, may enter neither ${dirname(folder)} nor /tmp nor /var/tmp`,
    'set TMPDIR to a folder that every user may enter, or run the command as an ordinary user',
  );
}

async function isOpen(folder: string, user: ServerUser): Promise<boolean> {
  return closedFolders(folder, user).then(
    (closed) => closed.length === 0,
    () => false,
  );
}

async function makeOwnFolder(path: string, user: ServerUser | null): Promise<string> {
  await mkdir(path, { mode: 0o700 });
  if (user !== null) await lchown(path, user.uid, user.gid);
  return path;
}
