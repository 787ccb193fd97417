import { execa } from 'execa';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { redactText } from '../core/redact.ts';
import { until } from '../testing/until.ts';
import { TYPESCRIPT } from '../testing/worker-scripts.ts';
import { readJournal } from './journal.ts';
import { Recorder } from './recorder.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recorder-test-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function recorderOf(file: string | null, secrets: readonly string[] = []): Recorder {
  return new Recorder({ file, startedAtMs: Date.now(), redact: (text) => redactText(text, secrets) });
}

function note(recorder: Recorder, text: string) {
  return recorder.record({ kind: 'note', code: 'test', text });
}

describe('recording', () => {
  test('events are numbered, timed, and on disk before anybody hears of them', async () => {
    const file = join(folder, 'journal.ndjson');
    const recorder = recorderOf(file);
    const onDisk: number[] = [];
    recorder.subscribe(() => onDisk.push(linesOf(file).length));
    note(recorder, 'one');
    note(recorder, 'two');
    expect(onDisk).toEqual([1, 2]);
    expect(recorder.events.map(({ seq }) => seq)).toEqual([0, 1]);
    const [first, second] = recorder.events;
    expect(Number.isInteger(first!.atMs)).toBe(true);
    expect(second!.atMs).toBeGreaterThanOrEqual(first!.atMs);
    recorder.close();
    expect(await readJournal(file)).toEqual(recorder.events);
  });

  test('a history is a value: it does not grow with the run', () => {
    const recorder = recorderOf(null);
    note(recorder, 'one');
    const history = recorder.history();
    note(recorder, 'two');
    expect(history.events).toHaveLength(1);
    expect(recorder.history().of('note')).toHaveLength(2);
  });

  test('the latest of a kind', () => {
    const recorder = recorderOf(null);
    expect(recorder.latest('note')).toBeUndefined();
    note(recorder, 'one');
    note(recorder, 'two');
    recorder.record({ kind: 'run:ended' });
    expect(recorder.latest('note')?.text).toBe('two');
  });

  test('who has ended a subscription hears no more', () => {
    const recorder = recorderOf(null);
    const heard: string[] = [];
    const end = recorder.subscribe((event) => heard.push(event.kind));
    note(recorder, 'one');
    end();
    note(recorder, 'two');
    expect(heard).toEqual(['note']);
  });

  test('the wall clock goes with the monotonic one', () => {
    const recorder = new Recorder({ file: null, startedAtMs: 1_000_000, redact: (text) => text });
    const [nowMs, wallMs] = [recorder.now(), recorder.wallClockMs()];
    expect(wallMs - 1_000_000).toBeGreaterThanOrEqual(nowMs - 1);
    expect(wallMs - 1_000_000).toBeLessThan(nowMs + 1_000);
  });
});

/** The lines of the file as they are now. */
function linesOf(file: string): readonly string[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n');
}

test('every text is redacted, however deep it lies, in the events and on disk', async () => {
  const file = join(folder, 'journal.ndjson');
  const recorder = recorderOf(file, ['hunter2secret']);
  recorder.record({
    kind: 'worker:processes',
    incarnation: 1,
    mainPid: 1,
    processes: [
      {
        pid: 1,
        parentPid: 0,
        groupId: 1,
        sessionId: 1,
        startToken: 'x',
        command: 'node worker.js postgres://app:s3cr3t@db/app --label hunter2secret',
      },
    ],
  });
  note(recorder, 'password=s3cr3t');
  recorder.close();
  expect(JSON.stringify(recorder.events)).not.toMatch(/s3cr3t|hunter2/);
  const text = await readFile(file, 'utf8');
  expect(text).not.toMatch(/s3cr3t|hunter2/);
  expect(text).toContain('postgres://app:***@db/app');
  expect(await readJournal(file)).toEqual(recorder.events);
});

describe('waiting', () => {
  const never = { timeoutMs: 60_000 };

  test('what is there already is found at once', async () => {
    const recorder = recorderOf(null);
    note(recorder, 'here');
    expect(await recorder.waitFor(() => recorder.latest('note')?.text, { timeoutMs: 0 })).toBe('here');
  });

  test('what comes later is found when it comes', async () => {
    const recorder = recorderOf(null);
    const found = recorder.waitFor(() => recorder.latest('note')?.text, never);
    recorder.record({ kind: 'run:ended' });
    note(recorder, 'there');
    expect(await found).toBe('there');
  });

  test('an answer that is false or empty is an answer', async () => {
    const recorder = recorderOf(null);
    expect(await recorder.waitFor(() => false, never)).toBe(false);
    expect(await recorder.waitFor(() => null, never)).toBeNull();
  });

  test('the time is over', async () => {
    const recorder = recorderOf(null);
    expect(await recorder.waitFor(() => undefined, { timeoutMs: 20 })).toBeUndefined();
    expect(await recorder.waitFor(() => undefined, { timeoutMs: -5 })).toBeUndefined();
  });

  test('it is aborted before, and meanwhile, with the reason', async () => {
    const recorder = recorderOf(null);
    const abort = new AbortController();
    const waiting = recorder.waitFor(() => undefined, { ...never, signal: abort.signal });
    abort.abort(new Error('Ctrl-C'));
    await expect(waiting).rejects.toThrow('Ctrl-C');
    await expect(recorder.waitFor(() => 'at once', { ...never, signal: abort.signal })).rejects.toThrow(
      'Ctrl-C',
    );
  });

  test('whoever has stopped waiting is asked no more', async () => {
    const recorder = recorderOf(null);
    let asked = 0;
    await recorder.waitFor(
      () => {
        asked += 1;
        return undefined;
      },
      { timeoutMs: 5 },
    );
    note(recorder, 'later');
    expect(asked).toBe(1);
  });

  test('a question that throws rejects, also later, and disturbs nobody else', async () => {
    const recorder = recorderOf(null);
    const broken = recorder.waitFor(() => {
      if (recorder.events.length > 0) throw new Error('broken question');
      return undefined;
    }, never);
    const sound = recorder.waitFor(() => recorder.latest('note')?.text, never);
    note(recorder, 'one');
    await expect(broken).rejects.toThrow('broken question');
    expect(await sound).toBe('one');
  });
});

test('a harness that is killed has lost nothing that it had recorded', async () => {
  const file = join(folder, 'journal.ndjson');
  const script = join(folder, 'harness.ts');
  await writeFile(
    script,
    `import { Recorder } from ${JSON.stringify(join(import.meta.dirname, 'recorder.ts'))};
     const file = ${JSON.stringify(file)};
     const recorder = new Recorder({ file, startedAtMs: Date.now(), redact: (text: string) => text });
     const next = (): void => {
       const { seq } = recorder.record({ kind: 'note', code: 'test', text: 'x'.repeat(300) });
       process.stdout.write(seq + '\\n', () => setImmediate(next));
     };
     next();`,
  );
  const child = execa(process.execPath, [...TYPESCRIPT, script], { reject: false });
  try {
    await until('enough events', async () => (await readJournal(file).catch(() => [])).length > 200);
  } finally {
    child.kill('SIGKILL');
  }
  const { stdout } = await child;
  const reported = stdout.trimEnd().split('\n').map(Number);
  const events = await readJournal(file);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, index) => index));
  // What it had told of is there; it may have written one more before it could tell.
  expect(events.length).toBeGreaterThan(Math.max(...reported.filter(Number.isInteger)));
});
