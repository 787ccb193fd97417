/** A real Celery worker in a process of its own, that does with a job what the test tells it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findCeleryPython, PYTHON_PACKAGES } from '../embedded/python.ts';
import { HAS_RABBITMQ } from './rabbitmq.ts';

/** `null`: no Celery here, and the tests that need one are skipped, loudly; in CI that is a failure. */
export const CELERY_PYTHON: string | null = await findCeleryPython();
if (CELERY_PYTHON === null || !HAS_RABBITMQ) {
  const missing = CELERY_PYTHON === null ? 'Celery' : 'RabbitMQ';
  const remedy = `install it: ${CELERY_PYTHON === null ? PYTHON_PACKAGES : 'apt-get install -y rabbitmq-server'}`;
  if (process.env['CI']) throw new Error(`CI needs ${missing}; ${remedy}`);
  console.warn(`\n*** SKIPPED: the tests on ${missing}, because it is not here (${remedy}) ***\n`);
}

const SOURCE = `
import json, os, time
from celery import Celery

app = Celery("lab")
app.conf.update(
    broker_url=os.environ["LAB_BROKER"],
    broker_transport_options=json.loads(os.environ["LAB_OPTIONS"]),
    task_default_queue=os.environ["LAB_QUEUE"],
    task_acks_late=True,
    worker_redirect_stdouts=False,
)


@app.task(bind=True, name="extract_bulk", max_retries=None)
def extract_bulk(self, **kwargs):
    # In one write: the threads print at the same time.
    os.write(1, f"active {self.request.id} {json.dumps({'name': self.name, 'data': kwargs})}\\n".encode())
    order = os.path.join(os.environ["LAB_FOLDER"], self.request.id)
    while not os.path.exists(order):
        time.sleep(0.01)
    with open(order) as file:
        told = file.read()
    os.remove(order)
    if told == "fail":
        raise RuntimeError("told to fail")
    if told == "delay":
        raise self.retry(countdown=60)
`;

/** Without these a worker takes a second longer to start. */
export const QUICK_FLAGS = ['--without-mingle', '--without-gossip', '--without-heartbeat'];

export interface CeleryWorkerOptions {
  readonly brokerUrl: string;
  readonly queue: string;
  readonly name?: string;
  /** `threads`, so that it answers while it is busy; `solo` does not. */
  readonly pool?: 'threads' | 'solo';
  /** kombu's. */
  readonly transportOptions?: Readonly<Record<string, unknown>>;
}

export interface CeleryWorker extends AsyncDisposable {
  readonly pid: number;
  /** Waits for a line of output that matches; each line answers once. */
  line(pattern: RegExp): Promise<string>;
  tell(id: string, order: 'complete' | 'fail' | 'delay'): Promise<void>;
  kill(): Promise<void>;
}

/** Resolves when the worker takes messages. */
export async function startCeleryWorker(options: CeleryWorkerOptions): Promise<CeleryWorker> {
  if (CELERY_PYTHON === null) throw new Error('no Celery: the test should have been skipped');
  const folder = await mkdtemp(join(tmpdir(), 'vr-test-celery-'));
  await writeFile(join(folder, 'lab.py'), SOURCE);
  const name = `${options.name ?? `w${process.hrtime.bigint()}`}@%h`;
  const pool = options.pool ?? 'threads';
  const args = ['-m', 'celery', '-A', 'lab', 'worker', '-l', 'INFO', '-P', pool, '-c', '4', '-n', name];
  const child = spawn(CELERY_PYTHON, [...args, ...QUICK_FLAGS], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PYTHONUNBUFFERED: '1',
      PYTHONDONTWRITEBYTECODE: '1',
      LAB_BROKER: options.brokerUrl,
      LAB_QUEUE: options.queue,
      LAB_FOLDER: folder,
      LAB_OPTIONS: JSON.stringify(options.transportOptions ?? {}),
    },
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (text) => {
      lines.push(text);
      for (const look of waiting) look();
    });
  }
  const line = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const deadline = setTimeout(() => {
        waiting.delete(look);
        reject(new Error(`no line ${pattern} came:\n${lines.join('\n')}`));
      }, 10_000);
      const look = (): void => {
        const index = lines.findIndex((text) => pattern.test(text));
        if (index === -1) return;
        clearTimeout(deadline);
        waiting.delete(look);
        resolve(lines.splice(index, 1)[0] ?? '');
      };
      waiting.add(look);
      look();
    });
  // A test that fails must not leave a worker behind, which would look for its broker for ever.
  const killAtExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const kill = async (): Promise<void> => {
    process.off('exit', killAtExit);
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  await line(/ ready\.$/).catch(async (error: unknown) => {
    await kill();
    throw error;
  });
  return {
    pid: child.pid ?? 0,
    line,
    async tell(id, order) {
      // The worker must not find the file before its content.
      await writeFile(join(folder, `${id}.part`), order);
      await rename(join(folder, `${id}.part`), join(folder, id));
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
