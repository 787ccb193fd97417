/** Recorded histories of real runs, judged again: no server, no worker, the same judgement. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CRITERIA } from '../core/criteria/index.ts';
import { createHistory, type History } from '../core/history.ts';
import { judge } from '../core/report.ts';
import { readJournal } from '../journal/journal.ts';
import { FOR_MUTANTS } from './property-runs.ts';
import { conclusionsOf, judgementOf, RECORDED } from './recorded-histories.ts';
import { renumbered } from './renumbered.ts';

const FOLDER = join(import.meta.dirname, '../../fixtures/histories');

async function historyOf(name: string): Promise<History> {
  return createHistory(await readJournal(join(FOLDER, `${name}.ndjson`)));
}

describe.each(RECORDED)('$name', (recorded) => {
  test('is judged as it was when it was recorded', async () => {
    const report = judge(await historyOf(recorded.name));
    expect(judgementOf(report)).toEqual(judgementOf(recorded));
    await expect(conclusionsOf(report)).toMatchFileSnapshot(join(FOLDER, `${recorded.name}.judged.json`));
  });

  test('is judged alike whatever the numbers of its workers', async () => {
    const history = await historyOf(recorded.name);
    expect(judgementOf(judge(renumbered(history, 41)))).toEqual(judgementOf(judge(history)));
  });

  test.skipIf(FOR_MUTANTS)('never passes before its end', async () => {
    const { events } = await historyOf(recorded.name);
    const end = events.findIndex(({ kind }) => kind === 'run:ended');
    expect(end).toBeGreaterThan(50);
    const passed = events.slice(0, end).filter((_event, length) => {
      return judge(createHistory(events.slice(0, length))).verdict === 'passed';
    });
    expect(passed).toEqual([]);
  });

  test('holds nothing of the machine that it was recorded on', async () => {
    const text = await readFile(join(FOLDER, `${recorded.name}.ndjson`), 'utf8');
    const paths = [...text.matchAll(/(?<![\w./:])\/[\w.-]+\/[\w.-]+/g)].map(([path]) => path);
    const own = paths.filter(
      (path) => !/^\/(?:srv\/app|usr\/(?:local|bin)|tmp\/verify-restart-[\d-]+[0-9a-f]{6})/.test(path),
    );
    expect(new Set(own)).toEqual(new Set());
    expect(paths.length).toBeGreaterThan(0);
    expect(text).not.toMatch(/\/\/[^/\s"]*:[^/\s"@]*@/);
  });
});

test('every recorded history is in the list, and the other way round', async () => {
  const files = RECORDED.flatMap(({ name }) => [`${name}.ndjson`, `${name}.judged.json`]);
  expect((await readdir(FOLDER)).toSorted()).toEqual(files.toSorted());
});

test('between them they get every verdict and outcome, and fail every criterion that can fail', () => {
  expect(new Set(RECORDED.map(({ verdict }) => verdict))).toEqual(
    new Set(['passed', 'failed', 'inconclusive']),
  );
  expect(new Set(RECORDED.map(({ outcome }) => outcome))).toEqual(
    new Set(['handed-over', 'drained', 'lost', 'stuck', 'vacuous']),
  );
  const failed = new Set<string>(RECORDED.flatMap((recorded) => recorded.failed));
  const never = Object.keys(CRITERIA).filter((id) => !failed.has(id));
  // What restart-observed does not see proved makes a run inconclusive.
  expect(never).toEqual(['restart-observed']);
});
