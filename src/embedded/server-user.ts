import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A user of this machine, by its entry in the user database. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The rights of one file, as `stat` shows them. */
export interface Rights {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export const readRight = 0o4;
export const enterRight = 0o1;

/** PostgreSQL refuses to run as root, and no other user has a reason to lend it another name. */
export function mustChangeUser(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Whom to run PostgreSQL as when we are root: the system's `postgres` where there is one, else `nobody`. Users are
 * looked up and never made. `null`: neither is there.
 */
export function chooseServerUser(userDatabase: string): ServerUser | null {
  const users = userDatabase.split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const fields = users.find((user) => user[0] === name);
    const uid = Number(fields?.[2] ?? Number.NaN);
    const gid = Number(fields?.[3] ?? Number.NaN);
    if (Number.isInteger(uid) && Number.isInteger(gid) && uid !== 0) return { name, uid, gid };
  }
  return null;
}

export async function findServerUser(): Promise<ServerUser | null> {
  return chooseServerUser(await readFile('/etc/passwd', 'utf8'));
}

/**
 * Does the user have all the wanted rights? As the kernel decides it: the first class that fits the user (owner,
 * group, others) counts alone. Further groups and access lists are left out; we drop the former, and what the latter
 * forbid shows when the program is tried.
 */
export function grants(rights: Rights, user: ServerUser, wanted: number): boolean {
  const shift = rights.uid === user.uid ? 6 : rights.gid === user.gid ? 3 : 0;
  return ((rights.mode >> shift) & wanted) === wanted;
}

/** The folders on the way to `path`, itself included, that the user may not enter, outermost first. */
export async function closedFolders(path: string, user: ServerUser): Promise<readonly string[]> {
  const closed: string[] = [];
  for (let folder = await realpath(path); ; folder = dirname(folder)) {
    if (!grants(await stat(folder), user, enterRight)) closed.unshift(folder);
    if (folder === dirname(folder)) return closed;
  }
}
