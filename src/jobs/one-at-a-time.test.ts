import { expect, test } from 'vitest';
import { oneAtATime } from './one-at-a-time.ts';

interface Run {
  readonly end: (error?: Error) => void;
}

function setUp() {
  const runs: Run[] = [];
  let atOnce = 0;
  let most = 0;
  const call = oneAtATime(() => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    return new Promise<void>((resolve, reject) => {
      runs.push({
        end: (error) => {
          atOnce -= 1;
          if (error === undefined) resolve();
          else reject(error);
        },
      });
    });
  });
  return { call, runs, most: () => most };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a call while the task runs waits for a run that begins after it, and shares that', async () => {
  const { call, runs, most } = setUp();
  const over: string[] = [];
  const first = call().then(() => over.push('first'));
  const others = ['second', 'third', 'fourth'].map((name) => call().then(() => over.push(name)));
  expect(runs).toHaveLength(1);
  runs[0]?.end();
  await first;
  await turn();
  expect(over).toEqual(['first']);
  expect(runs).toHaveLength(2);
  runs[1]?.end();
  await Promise.all(others);
  expect(over).toEqual(['first', 'second', 'third', 'fourth']);
  expect(most()).toBe(1);
  void call();
  expect(runs).toHaveLength(3);
});

test('a run that fails is told to its callers, and the next one runs', async () => {
  const { call, runs } = setUp();
  const first = call();
  const second = call();
  runs[0]?.end(new Error('no'));
  await expect(first).rejects.toThrow('no');
  await turn();
  runs[1]?.end();
  await second;
});

test('a call in the moment between two runs does not run beside the waiting one', async () => {
  const { call, runs, most } = setUp();
  const first = call();
  const second = call();
  const late = first.then(() => call());
  runs[0]?.end();
  await first;
  await turn();
  for (const run of runs.slice(1)) run.end();
  await turn();
  for (const run of runs.slice(2)) run.end();
  await Promise.all([second, late]);
  expect(most()).toBe(1);
});
