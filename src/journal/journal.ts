/** Journals on disk: where they lie, and how one is read back. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Event } from '../core/event.ts';
import { environmentError } from '../core/errors.ts';

export const JOURNAL_FILE = 'journal.ndjson';

/** A run id sorts by its time and is unlike any other: `20260131-142507-3f9a1c`. */
export function newRunId(now: Date, random: string): string {
  const digits = now.toISOString().replaceAll(/[-:]/g, '');
  return `${digits.slice(0, 8)}-${digits.slice(9, 15)}-${random}`;
}

/** Makes the folder of a run and returns its path. */
export async function makeRunFolder(outputDir: string, runId: string): Promise<string> {
  const folder = join(outputDir, runId);
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw environmentError(
      'output-dir',
      `the output folder ${outputDir} cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      'name another with --output-dir <dir>',
      error,
    );
  }
  return folder;
}

/**
 * Reads a journal. A last line that was cut off by a crash of the harness is left out; any other line that is no event
 * is an error.
 * @throws UserError `environment` when the file is not there or is not a journal
 */
export async function readJournal(path: string): Promise<readonly Event[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw environmentError(
      'no-journal',
      `there is no journal at ${path}`,
      'name a run folder or its journal',
      error,
    );
  }
  const lines = text.split('\n');
  const complete = lines.slice(0, -1);
  return complete.map((line, index) => parseLine(line, index + 1, path));
}

function parseLine(line: string, number: number, path: string): Event {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && 'kind' in value && 'seq' in value && 'atMs' in value) {
      return value as Event;
    }
  } catch {
    // Told below, with the line's number.
  }
  throw environmentError('broken-journal', `${path}, line ${number}: this is not an event of verify-restart`);
}

/** The folders of earlier runs under the output folder, oldest first. */
export async function listRuns(outputDir: string): Promise<readonly string[]> {
  const entries = await readdir(outputDir, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(outputDir, entry.name))
    .sort();
}
