/** RabbitMQ for tests: a node of its own, on loopback, on free ports, with a name server of its own, gone at the end. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { findFreePort } from '../embedded/free-port.ts';
import type { TestServer } from './servers.ts';
import { until } from './until.ts';

/** The scripts themselves: those on PATH insist on a user of their own. */
const SCRIPTS = '/usr/lib/rabbitmq/bin';

/** Whether there is a RabbitMQ on this machine. */
export const HAS_RABBITMQ =
  existsSync(join(SCRIPTS, 'rabbitmq-server')) && spawnSync('epmd', ['-help']).error === undefined;

export interface TestRabbitmq extends TestServer {
  /** The lines that `rabbitmqctl` prints, e.g. for `list_queues name messages consumers`, without a head. */
  list(...command: readonly string[]): Promise<readonly string[]>;
}

export async function startTestRabbitmq(): Promise<TestRabbitmq> {
  const folder = await mkdtemp(join(tmpdir(), 'vr-test-rabbitmq-'));
  const [port, distributionPort, namesPort] = [
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
  ];
  await writeFile(join(folder, 'enabled_plugins'), '[].\n');
  const env = {
    ...process.env,
    HOME: folder,
    RABBITMQ_NODENAME: `test-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'none'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1 +sbwt none',
    ERL_EPMD_PORT: String(namesPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  };
  // In the foreground, so that it ends with us: the node would start one that stays.
  const names = spawn('epmd', ['-port', String(namesPort), '-address', '127.0.0.1'], {
    env,
    stdio: 'ignore',
  });
  const node = spawn(join(SCRIPTS, 'rabbitmq-server'), [], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const endAtExit = (): void => {
    killGroup(node);
    names.kill('SIGKILL');
  };
  process.once('exit', endAtExit);
  const stop = async (): Promise<void> => {
    process.off('exit', endAtExit);
    const ended = node.exitCode === null && node.signalCode === null ? once(node, 'exit') : null;
    killGroup(node);
    await ended;
    // The machine below the scripts ends a moment after them.
    await until('the port of RabbitMQ to be closed', () => isClosed(port));
    names.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const lines: string[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      for (const stream of [node.stdout, node.stderr]) {
        createInterface(stream).on('line', (line) => {
          lines.push(line);
          if (/Server startup complete/.test(line)) resolve();
        });
      }
      node.once('exit', () => reject(new Error(`RabbitMQ ended at once:\n${lines.slice(-20).join('\n')}`)));
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    host: '127.0.0.1',
    port,
    pid: node.pid ?? 0,
    url: `amqp://guest:guest@127.0.0.1:${port}//`,
    async list(...command) {
      const control = join(SCRIPTS, 'rabbitmqctl');
      const flags = ['--quiet', '--no-table-headers', '-n', env.RABBITMQ_NODENAME];
      const { stdout } = await promisify(execFile)(control, [...flags, ...command], { env });
      return stdout.split('\n').filter((line) => line !== '');
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function isClosed(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error) => resolve('code' in error && error.code === 'ECONNREFUSED'));
  });
}

/** The node's scripts start the machine below them; all are one group. */
function killGroup(node: ChildProcess): void {
  if (node.pid === undefined) return;
  try {
    process.kill(-node.pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
