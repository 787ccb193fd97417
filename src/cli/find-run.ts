/** Which journal `report` is meant to read: of a run's folder, of a journal itself, or of a run that is named by its id. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { nearest } from '../config/choice.ts';
import { DEFAULTS } from '../config/defaults.ts';
import { usageError } from '../core/errors.ts';
import { JOURNAL_FILE, listRuns } from '../journal/journal.ts';

/** So many of the newest runs are named where none is like the one that was asked for. */
const MOST_NAMED = 3;

/**
 * @param run a run's folder, its journal, or a run id of the default output folder
 * @returns the path of the journal
 * @throws UserError `no-run`, with the folder that was looked in and the runs that come nearest
 */
export async function findJournal(run: string, cwd: string): Promise<string> {
  const places = placesOf(run).map((place) => resolve(cwd, place));
  for (const path of places) {
    const found = await stat(path).catch(() => null);
    if (found?.isFile() === true) return path;
    if (found?.isDirectory() === true && (await isThere(join(path, JOURNAL_FILE)))) {
      return join(path, JOURNAL_FILE);
    }
  }
  throw await noRun(run, places);
}

function placesOf(run: string): readonly string[] {
  const isName = basename(run) === run && run !== '.' && run !== '..';
  return isName ? [run, join(DEFAULTS.outputDir, run)] : [run];
}

async function noRun(run: string, places: readonly string[]): Promise<Error> {
  // What was named may be the folder of all runs.
  const folders = [...places, ...places.map((place) => dirname(place))];
  let folder = folders.at(-1) ?? '';
  let ids: readonly string[] = [];
  for (const each of folders) {
    ids = await runsIn(each);
    if (ids.length === 0) continue;
    folder = each;
    break;
  }
  return usageError('no-run', `there is no run ${run}: looked in ${folder}`, remedyFor(basename(run), ids));
}

/** Those that begin so, else the one that is spelt nearly so, else the newest. */
function remedyFor(word: string, ids: readonly string[]): string {
  if (ids.length === 0) return "no run is saved there: name a run's folder or its journal";
  const begin = ids.filter((id) => id.startsWith(word));
  const near = nearest(word, ids);
  const alike = begin.length > 0 ? begin : near === null ? [] : [near];
  return alike.length > 0
    ? `did you mean ${newest(alike).join(' or ')}?`
    : `the newest runs there: ${newest(ids).join(', ')}`;
}

function newest(ids: readonly string[]): readonly string[] {
  return ids.slice(-MOST_NAMED).toReversed();
}

async function runsIn(folder: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const run of await listRuns(folder)) {
    if (await isThere(join(run, JOURNAL_FILE))) ids.push(basename(run));
  }
  return ids;
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() === true;
}
