/**
 * The corpus: broken workers that must be found out, and correct ones that must not be flagged. Every row is run with
 * the trigger and once more under polling.
 *
 *   npm run corpus                       all rows; writes docs/detection.md
 *   npm run corpus -- never graceful     the rows whose name, target, worker or scenario contains one of the words
 *   npm run corpus -- --runs 3           three times with the trigger, once under polling; tells each cell that is not
 *                                        always the same
 *   npm run corpus -- --no-poll          with the trigger alone
 *   npm run corpus -- --observe poll     under polling alone
 *   npm run corpus -- --disarmed         the reference workers in every scenario, with the fault left out
 *   npm run corpus -- --lanes 1 --keep   one after the other; the runs' folders stay, for a look at their journals
 *
 * To add a row: write the worker into `fixtures/broken-workers/<queue>/<defect>.ts` (the reference with one thing
 * wrong; a module of Python for Celery), list it in `fixtures/broken-workers/defects` (BullMQ, Celery), and add a line to `corpus/<queue>-*-rows.ts`. To add a
 * kind of queue: its name in `TargetKind` (corpus/row.ts), its schema and shared configuration in `TARGETS`
 * (corpus/targets.ts), its rows in `ROWS` (corpus/rows.ts).
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { differences } from './corpus/differences.ts';
import type { Observed } from './corpus/judge-row.ts';
import { disarmedRows } from './corpus/disarmed.ts';
import { inLanes } from './corpus/lanes.ts';
import { renderMatrix } from './corpus/matrix.ts';
import { makeTemplates, runRow, type RowResult } from './corpus/run-row.ts';
import { ROWS } from './corpus/rows.ts';
import { isHere, TARGETS } from './corpus/targets.ts';
import { startTestRabbitmq } from './rabbitmq.ts';
import { startTestPostgres, startTestRedis } from './servers.ts';

const { values, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    lanes: { type: 'string', default: '2' },
    runs: { type: 'string', default: '1' },
    'no-poll': { type: 'boolean', default: false },
    observe: { type: 'string' },
    disarmed: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const all = values.disarmed ? disarmedRows(isHere) : ROWS;
const rows = all
  .filter(
    ({ name, target, worker, scenario }) =>
      words.length === 0 || words.some((word) => `${name} ${target} ${worker} ${scenario}`.includes(word)),
  )
  .filter(({ target }) => isHere(target));
const ways: readonly Observed[] =
  values.observe === 'poll' ? ['poll'] : values['no-poll'] ? ['trigger'] : ['trigger', 'poll'];
const cells = Array.from({ length: Number(values.runs) }, (_, run) =>
  rows.flatMap((row) =>
    ways.filter((way) => run === 0 || way === ways[0]).map((observe) => ({ row, observe, run })),
  ),
).flat();

const outputDir = await mkdtemp(join(tmpdir(), 'vr-corpus-'));
const server = await startTestPostgres();
const redis = rows.some(({ target }) => TARGETS[target].needsRedis) ? await startTestRedis() : null;
const rabbitmq = rows.some(({ target }) => TARGETS[target].needsRabbitmq) ? await startTestRabbitmq() : null;
try {
  await makeTemplates(
    server,
    rows.map(({ target }) => target),
  );
  const results = await inLanes(cells, Number(values.lanes), async ({ row, observe, run }) => {
    const result = await runRow(row, {
      server,
      redis,
      rabbitmq,
      outputDir,
      observe,
      disarmed: values.disarmed,
    });
    console.log(describe(result));
    return { run, result };
  });
  const judged = results.map(({ result }) => result);
  const missed = judged.filter(({ misses }) => misses.length > 0);
  const differing = differences(judged);
  console.log(`${judged.length - missed.length} of ${judged.length} as expected`);
  for (const line of differing) console.log(`DIFFERS ${line}`);
  const matrix = renderMatrix(results.filter(({ run }) => run === 0).map(({ result }) => result));
  if (!values.disarmed && words.length === 0 && ways.length === 2 && rows.length === ROWS.length) {
    const page = join(import.meta.dirname, '../../docs/detection.md');
    await writeFile(page, `${matrix}${keptSection(await readFile(page, 'utf8'))}`);
  } else console.log(matrix);
  if (missed.length > 0 || differing.length > 0) process.exitCode = 1;
} finally {
  await Promise.all([server.stop(), redis?.stop(), rabbitmq?.stop()]);
  if (values.keep) console.log(`journals: ${outputDir}`);
  else await rm(outputDir, { recursive: true });
}

function describe({ row, observed, report, failed, diagnoses, script, misses, ms }: RowResult): string {
  const mark = misses.length === 0 ? 'ok  ' : 'MISS';
  const found = `${report.verdict} [${failed.join(' ')}] {${diagnoses.join(' ')}} script: ${script}`;
  const why = misses.length === 0 ? '' : `\n     ${misses.join('; ')}; ${report.runId}`;
  return `${mark} ${row.target} ${row.name} ${row.scenario}@${row.strikeAt} ${observed} ${(ms / 1000).toFixed(1)} s: ${found}${why}`;
}

/** What the page tells of runs that are not the corpus's: it is measured apart, and kept. */
function keptSection(page: string): string {
  const start = page.indexOf('\n## The reference worker, many times\n');
  return start < 0 ? '' : page.slice(start);
}
