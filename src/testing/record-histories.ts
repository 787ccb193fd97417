/**
 * Records the histories of `fixtures/histories` anew, from real runs of rows of the corpus:
 *
 *   npm run record-histories                  all of them
 *   npm run record-histories -- table-drained those whose name contains one of the words
 *
 * What a run got must be what `recorded-histories.ts` says, or nothing is written. Beside each journal stands all
 * that was concluded from it. Nothing is left out of a journal; paths, the host and the user of this machine are replaced, the same
 * everywhere.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, hostname, tmpdir, userInfo } from 'node:os';
import { join, relative } from 'node:path';
import { createHistory } from '../core/history.ts';
import { judge } from '../core/report.ts';
import { anonymise, type Replacements } from './anonymise.ts';
import { makeTemplates, runRow } from './corpus/run-row.ts';
import { ROWS } from './corpus/rows.ts';
import { TARGETS } from './corpus/targets.ts';
import { conclusionsOf, judgementOf, RECORDED } from './recorded-histories.ts';
import { startTestRabbitmq } from './rabbitmq.ts';
import { startTestPostgres, startTestRedis } from './servers.ts';

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'fixtures/histories');

const words = process.argv.slice(2);
const wanted = RECORDED.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const outputDir = await mkdtemp(join(tmpdir(), 'vr-histories-'));
const replacements: Replacements = [
  [process.execPath, '/usr/local/bin/node'],
  [ROOT, '/srv/app'],
  [outputDir, '/srv/app/.verify-restart'],
  [relative(process.cwd(), outputDir), '.verify-restart'],
  [tmpdir(), '/tmp'],
  [homedir(), '/home/user'],
  [hostname(), 'host'],
  [`/${userInfo().username}/`, '/user/'],
];
const server = await startTestPostgres();
const targets = wanted.map(({ target }) => TARGETS[target ?? 'table']);
const redis = targets.some(({ needsRedis }) => needsRedis) ? await startTestRedis() : null;
const rabbitmq = targets.some(({ needsRabbitmq }) => needsRabbitmq === true)
  ? await startTestRabbitmq()
  : null;
try {
  await mkdir(FOLDER, { recursive: true });
  const rows = wanted.map((recorded) => {
    const target = recorded.target ?? 'table';
    const row = ROWS.find((each) => each.name === recorded.row && each.target === target);
    if (row === undefined) throw new Error(`the corpus has no row "${recorded.row}" on ${target}`);
    return { recorded, row };
  });
  await makeTemplates(
    server,
    rows.map(({ row }) => row.target),
  );
  for (const { recorded, row } of rows) {
    const { observe, disarmed } = recorded;
    const { report, events } = await runRow(row, {
      server,
      redis,
      rabbitmq,
      outputDir,
      ...(observe === undefined ? {} : { observe }),
      ...(disarmed === undefined ? {} : { disarmed }),
    });
    const got = JSON.stringify(judgementOf(report));
    const expected = JSON.stringify(judgementOf(recorded));
    if (got !== expected) {
      console.log(`${recorded.name}: not written, got ${got}`);
      process.exitCode = 1;
      continue;
    }
    const kept = anonymise(events, replacements);
    const lines = kept.map((event) => `${JSON.stringify(event)}\n`);
    await writeFile(join(FOLDER, `${recorded.name}.ndjson`), lines.join(''));
    const conclusions = conclusionsOf(judge(createHistory(kept)));
    await writeFile(join(FOLDER, `${recorded.name}.judged.json`), conclusions);
    console.log(`${recorded.name}: ${events.length} events, ${(lines.join('').length / 1024).toFixed(0)} KB`);
  }
} finally {
  await Promise.all([server.stop(), redis?.stop(), rabbitmq?.stop()]);
  await rm(outputDir, { recursive: true });
}
