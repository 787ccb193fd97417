/** However a run ends, nothing is left in the user's servers: by itself, or, where it was killed, by `verify-restart cleanup`. */
import { describe, expect, test as plainTest } from 'vitest';
import type { Event } from '../core/event.ts';
import { targetsOfOwnSystem, type OpenTarget } from '../testing/own-system-test.ts';
import type { OwnTarget } from '../testing/own-system.ts';
import type { CliCall } from '../testing/run-cli.ts';

const test = plainTest.extend<{ open: OpenTarget }>({ open: targetsOfOwnSystem() });

/** A text of the output, and the step that goes on once it is there. */
const MOMENTS = [
  { step: 'preflight', backend: 'redis', shows: /nobody else consumes the queue/ },
  { step: 'job', backend: 'postgres', shows: /every version of the row/ },
  { step: 'processing', backend: 'redis', shows: /3 Trigger/ },
  { step: 'restart', backend: 'postgres', shows: /5 Restart/ },
  { step: 'monitor', backend: 'redis', shows: /6 Monitor[^]*worker #2/ },
  { step: 'results', backend: 'postgres', shows: /completed 100 %/ },
] as const;

const STEPS = ['preflight', 'job', 'trigger', 'processing', 'restart', 'monitor', 'results'];

function lastStep(events: readonly Event[]): number {
  return STEPS.indexOf(events.findLast((event) => event.kind === 'step:started')?.step ?? '');
}

function start(target: OwnTarget, worker = target.worker()): Promise<CliCall> {
  return target.folder.start(target.args('--auto-restart', '--worker', worker));
}

async function cleansUp(target: OwnTarget): Promise<void> {
  // Neither the queue nor where it lives is named again: the journal knows.
  const cleanup = await target.folder.run(['cleanup']);
  expect(cleanup).toMatchObject({ exitCode: 0, stderr: '' });
  expect(cleanup.stdout).toMatch(/^(✔ removed {2}.+\n)+$/);
  expect(await target.left()).toEqual([]);
  expect((await target.folder.run(['cleanup'])).stdout).toMatch(/^nothing to remove/);
}

describe.concurrent('interrupted', { timeout: 60_000 }, () => {
  test.for(MOMENTS)(
    'by Ctrl-C in $step, it cleans up and exits 130',
    async ({ step, backend, shows }, { open }) => {
      const target = await open(backend);
      const call = await start(target);
      await call.shows(shows);
      call.signal('SIGINT');
      const { exitCode, stdout, stderr } = await call.ended;
      expect({ exitCode, stderr }).toEqual({ exitCode: 130, stderr: '' });
      expect(stdout).toContain('interrupted: cleaning up');
      expect(stdout).not.toMatch(/VERIFIED|INCONCLUSIVE/);
      expect(await target.left()).toEqual([]);
      // The text comes out at the border of two steps, and a signal takes its time.
      const later = lastStep(await target.folder.events()) - STEPS.indexOf(step);
      expect(later).toBeOneOf([-1, 0, 1]);
    },
  );

  test('by SIGTERM, it cleans up and exits 143', async ({ open }) => {
    const target = await open('redis');
    const call = await start(target);
    await call.shows(/5 Restart/);
    call.signal('SIGTERM');
    expect(await call.ended).toMatchObject({ exitCode: 143, stderr: '' });
    expect(await target.left()).toEqual([]);
  });
});

describe.concurrent('killed', { timeout: 60_000 }, () => {
  test.for([
    { backend: 'postgres', shows: /3 Trigger/ },
    { backend: 'redis', shows: /6 Monitor/ },
    { backend: 'postgres', shows: /completed 100 %/ },
  ] as const)(
    'on $backend at $shows, it leaves things, and cleanup removes them',
    async ({ backend, shows }, { open }) => {
      const target = await open(backend);
      // A worker that writes into the pipe of a program that is gone ends by it; this one lives on.
      const call = await start(target, `${target.worker()} >worker.log 2>&1`);
      await call.shows(shows);
      call.signal('SIGKILL');
      await call.ended;
      const left = (await target.left()).join('\n');
      expect(left).toMatch(/^process \d+: node/m);
      expect(left).toMatch(/^schema verify_restart/m);
      expect(left).toMatch(/^row of pybase/m);
      expect(left).toMatch(backend === 'redis' ? /^key bull/m : /^row of bullmq/m);
      await cleansUp(target);
    },
  );

  test('cleanup keeps what it cannot reach, for the next time', async ({ open }) => {
    const target = await open('postgres');
    const call = await start(target);
    await call.shows(/5 Restart/);
    call.signal('SIGKILL');
    await call.ended;
    const elsewhere = { DATABASE_URL: target.databaseUrl.replace(/\/\w+$/, '/postgres') };
    const cleanup = await target.folder.run(['cleanup'], elsewhere);
    expect(cleanup.exitCode).toBe(3);
    expect(cleanup.stderr).toMatch(
      /the run's database was 127\.0\.0\.1:\d+\/target_\d+, and .* is named now/,
    );
    expect((await target.left()).join('\n')).toMatch(/^schema verify_restart/m);
    await cleansUp(target);
  });

  test('cleanup leaves a run alone that is still going on', async ({ open }) => {
    const target = await open('redis');
    const call = await start(target);
    await call.shows(/4 Processing/);
    const cleanup = await target.folder.run(['cleanup']);
    expect(cleanup).toMatchObject({ exitCode: 0, stderr: '' });
    expect(cleanup.stdout).toMatch(/is still going on \(pid \d+\): left alone/);
    expect(await call.ended).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await target.left()).toEqual([]);
  });
});
