import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isUserError } from '../core/errors.ts';
import { handedOver } from '../testing/history-builder.ts';
import { judge } from '../core/report.ts';
import { createHistory } from '../core/history.ts';
import { JOURNAL_FILE, listRuns, makeRunFolder, newRunId, readJournal } from './journal.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'journal-test-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function journalOf(text: string): Promise<string> {
  const file = join(folder, JOURNAL_FILE);
  await writeFile(file, text);
  return file;
}

async function refusalOf(action: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await action.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!isUserError(error)) throw new Error('this was to be refused', { cause: error });
  return { code: error.code, message: error.message };
}

const LINES = handedOver()
  .end()
  .events.map((event) => JSON.stringify(event));

describe('reading', () => {
  test('a saved run is judged as it was', async () => {
    const events = await readJournal(await journalOf(`${LINES.join('\n')}\n`));
    expect(judge(createHistory(events))).toEqual(judge(handedOver().end()));
  });

  test('a last line that was cut off is left out', async () => {
    const text = `${LINES.join('\n')}\n`;
    const cut = await readJournal(await journalOf(text.slice(0, -30)));
    expect(cut).toHaveLength(LINES.length - 1);
    const newline = await readJournal(await journalOf(text.slice(0, -1)));
    expect(newline).toHaveLength(LINES.length - 1);
  });

  test('an empty journal is an empty history', async () => {
    expect(await readJournal(await journalOf(''))).toEqual([]);
  });

  test.each([
    ['no JSON', '{"kind":'],
    ['no object', '42'],
    ['an object that is no event', '{"kind":"note"}'],
    ['nothing', ''],
  ])('a line of %s is named', async (_name, line) => {
    const file = await journalOf(`${LINES.toSpliced(2, 1, line).join('\n')}\n`);
    expect(await refusalOf(readJournal(file))).toEqual({
      code: 'broken-journal',
      message: `${file}, line 3: this is not an event of verify-restart`,
    });
  });

  test('a journal that is not there', async () => {
    const file = join(folder, 'nowhere', JOURNAL_FILE);
    expect(await refusalOf(readJournal(file))).toEqual({
      code: 'no-journal',
      message: `there is no journal at ${file}`,
    });
  });
});

describe('folders of runs', () => {
  test('a run’s name sorts by its time', () => {
    const earlier = newRunId(new Date('2026-01-31T14:25:07.999Z'), 'ffffff');
    const later = newRunId(new Date('2026-01-31T14:25:08.000Z'), '000000');
    expect(earlier).toBe('20260131-142507-ffffff');
    expect([later, earlier].toSorted()).toEqual([earlier, later]);
  });

  test('are made, also where the output folder is not there yet', async () => {
    const made = await makeRunFolder(join(folder, 'a', 'b'), 'run-1');
    expect(made).toBe(join(folder, 'a', 'b', 'run-1'));
    expect(await listRuns(join(folder, 'a', 'b'))).toEqual([made]);
  });

  test('that cannot be made are refused with the option to mend', async () => {
    await writeFile(join(folder, 'file'), '');
    const refusal = await refusalOf(makeRunFolder(join(folder, 'file'), 'run-1'));
    expect(refusal).toEqual({
      code: 'output-dir',
      message: `the output folder ${join(folder, 'file')} cannot be written: ENOTDIR`,
    });
  });

  test('are listed oldest first, and files among them are none', async () => {
    for (const name of ['20260201-000000-b', '20260131-000000-a']) await mkdir(join(folder, name));
    await writeFile(join(folder, '20260101-000000-c'), '');
    expect(await listRuns(folder)).toEqual([
      join(folder, '20260131-000000-a'),
      join(folder, '20260201-000000-b'),
    ]);
    expect(await listRuns(join(folder, 'nowhere'))).toEqual([]);
  });
});
