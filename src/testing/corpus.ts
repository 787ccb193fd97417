/**
 * The corpus: broken workers that must be found out, and correct ones that must not be flagged.
 *
 *   npm run corpus                       all rows; writes docs/detection.md
 *   npm run corpus -- never graceful     the rows whose name, worker or scenario contains one of the words
 *   npm run corpus -- --lanes 1 --keep   one after the other; the runs' folders stay, for a look at their journals
 *   npm run corpus -- --observe poll     the same rows without the trigger
 *
 * To add a row: write the worker into `fixtures/broken-workers/<queue>/<defect>.ts` (the reference with one thing
 * wrong) and a line into `corpus/<queue>-rows.ts`. To add a kind of queue: its name in `TargetKind` (corpus/row.ts),
 * its schema and shared configuration in `TARGETS` (corpus/targets.ts), its rows in `ROWS` (corpus/rows.ts).
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inLanes } from './corpus/lanes.ts';
import { renderMatrix } from './corpus/matrix.ts';
import { makeTemplate, runRow, type RowResult } from './corpus/run-row.ts';
import { ROWS } from './corpus/rows.ts';
import { startTestPostgres } from './servers.ts';

const { values, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    lanes: { type: 'string', default: '2' },
    observe: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const rows = ROWS.filter(
  ({ name, worker, scenario }) =>
    words.length === 0 || words.some((word) => `${name} ${worker} ${scenario}`.includes(word)),
);
const outputDir = await mkdtemp(join(tmpdir(), 'vr-corpus-'));
const server = await startTestPostgres();
try {
  for (const target of new Set(rows.map((row) => row.target))) await makeTemplate(server, target);
  const results = await inLanes(rows, Number(values.lanes), async (row) => {
    const observe = values.observe === 'poll' ? { observe: 'poll' as const } : {};
    const result = await runRow(row, { server, outputDir, ...observe });
    console.log(describe(result));
    return result;
  });
  const missed = results.filter(({ misses }) => misses.length > 0);
  console.log(`${results.length - missed.length} of ${results.length} as expected`);
  const matrix = renderMatrix(results);
  if (words.length === 0 && values.observe === undefined) {
    const docs = join(import.meta.dirname, '../../docs');
    await mkdir(docs, { recursive: true });
    await writeFile(join(docs, 'detection.md'), matrix);
  } else console.log(matrix);
  if (missed.length > 0) process.exitCode = 1;
} finally {
  await server.stop();
  if (values.keep) console.log(`journals: ${outputDir}`);
  else await rm(outputDir, { recursive: true });
}

function describe({ row, report, failed, diagnoses, script, misses, ms }: RowResult): string {
  const mark = misses.length === 0 ? 'ok  ' : 'MISS';
  const found = `${report.verdict} [${failed.join(' ')}] {${diagnoses.join(' ')}} script: ${script}`;
  const why = misses.length === 0 ? '' : `\n     ${misses.join('; ')}; ${report.runId}`;
  return `${mark} ${row.name} ${row.scenario}@${row.strikeAt} ${(ms / 1000).toFixed(1)} s: ${found}${why}`;
}
