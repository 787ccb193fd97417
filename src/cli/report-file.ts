/** Reports in files: that one can be written is known before the run, for which nobody wants to wait in vain. */
import { constants } from 'node:fs';
import { access, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { environmentError } from '../core/errors.ts';

/**
 * Creates nothing: a run that does not take place leaves no folder behind.
 * @throws UserError `report-not-written` for a path that is a folder, lies below a file, or may not be written
 */
export async function refuseUnwritable(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      await examine(path);
    } catch (error) {
      throw notWritten(path, error);
    }
  }
}

async function examine(path: string): Promise<void> {
  const there = await stat(path).catch(ifMissing);
  if (there?.isDirectory() === true) throw new Error('it is a folder');
  if (there !== null) return access(path, constants.W_OK);
  let folder = dirname(path);
  let found = await stat(folder).catch(ifMissing);
  while (found === null && folder !== dirname(folder)) {
    folder = dirname(folder);
    found = await stat(folder).catch(ifMissing);
  }
  if (found?.isDirectory() === false) throw new Error(`${folder} is no folder`);
  await access(folder, constants.W_OK | constants.X_OK);
}

/** Below a file nothing is found either; which part of the path it is, is found out further up. */
function ifMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw error;
}

/** @throws UserError `report-not-written` */
export async function writeReportFile(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  } catch (error) {
    throw notWritten(path, error);
  }
}

function notWritten(path: string, error: unknown): Error {
  return environmentError(
    'report-not-written',
    `the report cannot be written to ${path}: ${error instanceof Error ? error.message : String(error)}`,
    'name another path: --reporter json=<path>',
    error,
  );
}
