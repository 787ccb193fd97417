/** The FastAPI service for tests, where its packages are there. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findFreePort } from '../embedded/free-port.ts';
import { until } from './until.ts';

/** Debian's own interpreter: another one on PATH does not see Debian's packages. */
const PYTHON = '/usr/bin/python3';
const PACKAGES =
  'python3-celery python3-redis python3-psycopg2 python3-fastapi python3-uvicorn python3-multipart';

/** Whether the service can be started here; in CI it must be. */
export const hasPythonApi: boolean =
  spawnSync(PYTHON, ['-c', 'import celery, redis, psycopg2, fastapi, uvicorn, multipart']).status === 0;
if (!hasPythonApi) {
  const remedy = `apt-get install --no-install-recommends ${PACKAGES}`;
  if (process.env['CI']) throw new Error(`CI needs the packages of the FastAPI service; ${remedy}`);
  console.warn(
    `\n*** SKIPPED: the tests of the FastAPI service, whose packages are not here (${remedy}) ***\n`,
  );
}

export interface PythonApi extends AsyncDisposable {
  readonly url: string;
}

export async function startPythonApi(env: Readonly<Record<string, string>>): Promise<PythonApi> {
  const port = await findFreePort();
  const folder = join(import.meta.dirname, '../../fixtures/celery-service');
  const child = spawn(
    PYTHON,
    ['-B', '-m', 'uvicorn', '--app-dir', folder, 'api:app', '--port', String(port), '--log-level', 'warning'],
    { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  const exited = once(child, 'exit');
  const url = `http://127.0.0.1:${port}/api/v1`;
  await until(`the FastAPI service: ${lines.join('\n')}`, async () => {
    if (child.exitCode !== null) throw new Error(`the FastAPI service ended at once:\n${lines.join('\n')}`);
    return fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
