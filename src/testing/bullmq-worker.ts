/** A real BullMQ worker in a process of its own, that does with a job what the test tells it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const SOURCE = `
import { createInterface } from 'node:readline';
import { createPostgresBackend, DelayedError, Worker } from 'bullmq';

const { backend, connection, queue, options } = JSON.parse(process.env.TEST_WORKER);
const orders = new Map();
createInterface(process.stdin).on('line', (line) => {
  const [id, order] = line.split(' ');
  orders.get(id)?.(order);
});
const processor = async (job, token) => {
  const order = new Promise((resolve) => orders.set(job.id, resolve));
  console.log('active ' + job.id + ' ' + JSON.stringify({ name: job.name, data: job.data }));
  switch (await order) {
    case 'fail':
      throw new Error('told to fail');
    case 'delay':
      await job.moveToDelayed(Date.now() + 60_000, token);
      throw new DelayedError();
  }
};
const worker = new Worker(queue, processor, { connection, ...options }, ...(backend === 'postgres' ? [createPostgresBackend] : []));
worker.on('error', () => {});
worker.on('completed', (job) => console.log('ended ' + job.id));
worker.on('failed', (job) => console.log('ended ' + job.id));
worker.on('ready', () => console.log('ready'));
`;

export interface TestWorkerOptions {
  readonly backend: 'redis' | 'postgres';
  readonly connection: unknown;
  readonly queue: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

export interface TestWorker extends AsyncDisposable {
  readonly pid: number;
  /** Waits for a line of output that begins so; each line answers once. */
  line(start: string): Promise<string>;
  tell(id: string, order: 'complete' | 'fail' | 'delay'): void;
  kill(): Promise<void>;
}

/** Resolves when the worker is connected. */
export async function startTestWorker(options: TestWorkerOptions): Promise<TestWorker> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SOURCE], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TEST_WORKER: JSON.stringify(options) },
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });
  const line = (start: string): Promise<string> =>
    new Promise((resolve) => {
      const look = (): void => {
        const index = lines.findIndex((text) => text.startsWith(start));
        if (index === -1) return;
        waiting.delete(look);
        resolve(lines.splice(index, 1)[0] ?? '');
      };
      waiting.add(look);
      look();
    });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  await line('ready');
  return {
    pid: child.pid ?? 0,
    line,
    tell: (id, order) => void child.stdin.write(`${id} ${order}\n`),
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
