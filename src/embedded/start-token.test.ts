import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { readStartToken } from './start-token.ts';

test('a process has one token for its whole life and none afterwards', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  try {
    await once(child, 'spawn');
    const token = await readStartToken(child.pid!);
    expect(token).toMatch(/\S/);
    expect(await readStartToken(child.pid!)).toBe(token);
  } finally {
    child.kill('SIGKILL');
  }
  await once(child, 'exit');
  expect(await readStartToken(child.pid!)).toBeNull();
});

test('processes started at different times have different tokens', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  try {
    await once(child, 'spawn');
    expect(await readStartToken(child.pid!)).not.toBe(await readStartToken(process.pid));
  } finally {
    child.kill('SIGKILL');
  }
});

test.runIf(process.platform === 'linux')(
  'brackets and spaces in a command’s name do not shift it',
  async () => {
    const title = process.title;
    const token = await readStartToken(process.pid);
    process.title = 'a) S 1 (b';
    try {
      expect(await readStartToken(process.pid)).toBe(token);
    } finally {
      process.title = title;
    }
  },
);

test.runIf(process.platform === 'linux')('a zombie is gone', async () => {
  // The child ends when the shell has long become something that never reaps it.
  const script = 'sleep 0.5 & echo $!; exec sleep 30';
  const parent = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const [line] = await once(parent.stdout, 'data');
    await expect.poll(() => readStartToken(Number(String(line)))).toBeNull();
    expect(await readStartToken(parent.pid!)).not.toBeNull();
    process.kill(Number(String(line)), 0);
  } finally {
    parent.kill('SIGKILL');
  }
});
