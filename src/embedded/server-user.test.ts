import { chmod, mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { chooseServerUser, closedFolders, enterRight, grants, readRight } from './server-user.ts';

const folder = await realpath(await mkdtemp(join(tmpdir(), 'verify-restart-test-')));
afterAll(() => rm(folder, { recursive: true, force: true }));

const stranger = { name: 'stranger', uid: 54_321, gid: 54_322 };

test('the user postgres is preferred to nobody, and root is never taken', () => {
  const nobody = 'nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin';
  const postgres = 'postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash';
  expect(chooseServerUser(`${nobody}\n${postgres}\n`)).toEqual({ name: 'postgres', uid: 101, gid: 104 });
  expect(chooseServerUser(`root:x:0:0::/root:/bin/sh\n${nobody}\n`)).toEqual({
    name: 'nobody',
    uid: 65_534,
    gid: 65_533,
  });
  expect(chooseServerUser('# a comment\nnobody:*:-2:-2::/:/bin/false')?.uid).toBe(-2);
  expect(chooseServerUser('postgres:x:0:0::/:/bin/sh')).toBeNull();
  expect(chooseServerUser('')).toBeNull();
});

test.each([
  { mode: 0o700, uid: 54_321, gid: 1, granted: true, why: 'its owner' },
  { mode: 0o070, uid: 1, gid: 54_322, granted: true, why: 'its group' },
  { mode: 0o005, uid: 1, gid: 1, granted: true, why: 'others' },
  { mode: 0o750, uid: 1, gid: 1, granted: false, why: 'others have nothing' },
  { mode: 0o077, uid: 54_321, gid: 1, granted: false, why: 'the owner is no other' },
  { mode: 0o707, uid: 1, gid: 54_322, granted: false, why: 'the group is no other' },
  { mode: 0o701, uid: 1, gid: 1, granted: false, why: 'entering is not reading' },
])('$mode of $uid:$gid: $why', ({ granted, why: _why, ...rights }) => {
  expect(grants(rights, stranger, readRight | enterRight)).toBe(granted);
});

test('every closed folder on the way is named, through links', async () => {
  const outer = join(folder, 'outer');
  const inner = join(outer, 'inner');
  await mkdir(inner, { recursive: true });
  await chmod(folder, 0o711);
  await chmod(outer, 0o750);
  await chmod(inner, 0o755);
  await symlink(inner, join(folder, 'link'));
  expect(await closedFolders(join(folder, 'link'), stranger)).toEqual([outer]);
  await chmod(outer, 0o751);
  expect(await closedFolders(inner, stranger)).toEqual([]);
});
