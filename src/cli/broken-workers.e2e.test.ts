/** What the corpus does not say of a verdict on a broken worker: what it names, what can be seen in the journal, what stays. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test as plainTest } from 'vitest';
import { targetsOfOwnSystem, type OpenTarget } from '../testing/own-system-test.ts';
import { brokenWorker, type OwnTarget } from '../testing/own-system.ts';
import { jsonReport } from '../testing/run-cli.ts';

const test = plainTest.extend<{ open: OpenTarget }>({ open: targetsOfOwnSystem() });

const CONFIG = {
  scenarios: { 'parent-alone': [{ stop: 'SIGKILL', reach: 'process' }, { start: true }] },
  effects: {
    sql: 'select file_path, count(*) from pybase.extracted_documents where job_id = $1 group by 1',
  },
};

async function verify(target: OwnTarget, defect: string, ...timing: readonly string[]) {
  await target.folder.write('verify-restart.config.json', JSON.stringify(CONFIG));
  const worker = target.worker(brokenWorker(defect));
  const args = ['--auto-restart', '--worker', worker, ...timing];
  const result = await target.folder.run(target.args(...args, '--reporter', 'console,json=report.json'));
  expect(result.stderr).toBe('');
  const text = await readFile(join(target.folder.path, 'report.json'), 'utf8');
  const report = jsonReport({ ...result, stdout: text });
  expect(report.exitCode).toBe(result.exitCode);
  return {
    exitCode: result.exitCode,
    failed: report.criteria.filter(({ status }) => status === 'failed').map(({ id }) => id),
    diagnosis: report.diagnosis[0]?.id,
    console: result.stdout,
    evidence: report.criteria.flatMap(({ evidence }) => evidence).join('\n'),
  };
}

const FOUND = ['--terminal-timeout', '10s'];

describe.concurrent('a worker that', { timeout: 90_000 }, () => {
  test('resumed-as-new-job: the further row is named, and is the only thing that stays', async ({ open }) => {
    const target = await open('postgres');
    const verdict = await verify(target, 'resumed-as-new-job', ...FOUND);
    expect(verdict).toMatchObject({
      exitCode: 1,
      failed: ['no-duplicate-jobs'],
      diagnosis: 'resumed-as-new-job',
    });
    const [row] = await target.query<{ id: string }>('select id from pybase.extraction_jobs');
    expect(verdict.evidence).toContain(row?.id);
    expect(verdict.console).toContain(
      ` left      row ${row?.id} of pybase.extraction_jobs: the worker made it`,
    );
    const [left, ...more] = await target.left();
    expect(left).toContain(row?.id);
    expect(more).toEqual([]);
  });

  test('resumed-as-new-job: a further row that goes with the one that is removed is not said to be left', async ({
    open,
  }) => {
    const target = await open('postgres');
    await target.query(`
      create function pybase.remove_rest() returns trigger language plpgsql as $$
      begin
        delete from pybase.extraction_jobs where file_path = old.file_path;
        return old;
      end $$`);
    await target.query(
      'create trigger remove_rest after delete on pybase.extraction_jobs for each row execute function pybase.remove_rest()',
    );
    const verdict = await verify(target, 'resumed-as-new-job', ...FOUND);
    expect(verdict.diagnosis).toBe('resumed-as-new-job');
    expect(verdict.console).not.toMatch(/^ left /m);
    await target.query('drop function pybase.remove_rest() cascade');
    expect(await target.left()).toEqual([]);
  });

  test('effects-not-idempotent: the repetition can be seen in the journal', async ({ open }) => {
    const target = await open('postgres');
    expect(await verify(target, 'effects-not-idempotent', ...FOUND)).toMatchObject({
      exitCode: 1,
      failed: ['effects-exactly-once'],
      diagnosis: 'effects-not-idempotent',
    });
    const events = await target.folder.events();
    const writes = events.flatMap((event) =>
      event.kind === 'row:version' && event.role === 'subject' && event.writer !== undefined
        ? [{ by: event.writer.applicationName, progress: event.values?.progress }]
        : [],
    );
    const before = writes.findLast(({ by }) => by.endsWith('#1'))?.progress;
    // After the new claim the files that had been done are done again, which takes the progress nowhere.
    const again = writes.filter(({ by, progress }) => by.endsWith('#2') && progress === before);
    expect(again.length).toBeGreaterThan(2);
    const counted = events.find((event) => event.kind === 'effects:counted' && event.role === 'subject');
    const counts = counted?.kind === 'effects:counted' ? counted.effects.map(({ count }) => count) : [];
    expect(counts).toHaveLength(8);
    expect(new Set(counts)).toEqual(new Set([1, 2]));
  });

  test('detached-child: a kill that reaches its parent alone is no restart', async ({ open }) => {
    const target = await open('postgres');
    const verdict = await verify(target, 'detached-child', ...FOUND, '--scenario', 'parent-alone');
    expect(verdict).toMatchObject({ exitCode: 4, failed: [], diagnosis: 'orphan-children' });
    // Whoever runs a worker starts it again when its main process has gone.
    const started = (await target.folder.events()).filter(({ kind }) => kind === 'worker:started');
    expect(started).toHaveLength(2);
    expect(await target.left()).toEqual([]);
  });

  test('detached-child: the strike reaches a child with a session of its own', async ({ open }) => {
    const target = await open('redis');
    expect(await verify(target, 'detached-child', ...FOUND)).toMatchObject({ exitCode: 0, failed: [] });
    const events = await target.folder.events();
    const fault = events.find((event) => event.kind === 'fault:injected');
    const tree = events.find((event) => event.kind === 'worker:processes');
    if (fault?.kind !== 'fault:injected' || tree?.kind !== 'worker:processes') throw new Error('no strike');
    const sessions = new Set(tree.processes.map(({ sessionId }) => sessionId));
    expect(sessions.size).toBe(2);
    expect(new Set(fault.pids)).toEqual(new Set(tree.processes.map(({ pid }) => pid)));
    expect(await target.left()).toEqual([]);
  });
});
