/** A few rows of the corpus, so that a change that blinds the tool is seen at once. `npm run corpus` runs all. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestPostgres, type TestPostgres } from '../servers.ts';
import { isCorrect } from './row.ts';
import { ROWS } from './rows.ts';
import { makeTemplate, runRow } from './run-row.ts';

const QUICK = [
  'reference',
  'reference graceful',
  'one-transaction',
  'deleted-at-boot',
  'effects-not-idempotent',
  'recovery-hit-finished-jobs',
];

let server: TestPostgres;
let outputDir: string;

beforeAll(async () => {
  outputDir = await mkdtemp(join(tmpdir(), 'vr-corpus-'));
  server = await startTestPostgres();
  await makeTemplate(server, 'table');
});

afterAll(async () => {
  await server.stop();
  await rm(outputDir, { recursive: true });
});

it.concurrent.each(ROWS.filter(({ name }) => QUICK.includes(name)))('$name', async (row) => {
  const { misses, report } = await runRow(row, { server, outputDir });
  expect({ misses, criteria: report.criteria }).toMatchObject({ misses: [] });
});

it('has a name of its own for every row, and expects something of every broken worker', () => {
  expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
  expect(QUICK.every((name) => ROWS.some((row) => row.name === name))).toBe(true);
  const vague = ROWS.filter((row) => !isCorrect(row) && (row.expect.failing ?? []).length === 0);
  expect(vague.map(({ name }) => name)).toEqual([]);
});
