import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { listen } from '../testing/listen.ts';
import { processorTimeMs } from '../testing/processor-time.ts';
import { hasPython, WorkerScripts } from '../testing/worker-scripts.ts';
import { ownersOfPorts } from './socket-owners.ts';

const FILES = {
  'connects.js': `
    const [host, port] = process.argv.slice(2);
    require('node:net').connect({ host, port: Number(port) }).on('error', () => process.exit());`,
  'shares.py': `
import os, socket, sys, time
connection = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
if os.fork() == 0: connection.send(b'x')
time.sleep(600)
`,
};

describe('ownersOfPorts', { timeout: 30_000 }, () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
  ])('finds the client of a connection to %s', async (host, listensAt) => {
    await using scripts = await WorkerScripts.create(FILES);
    await using listener = await listen(listensAt);
    const worker = await scripts.start(`exec node connects.js ${host} ${listener.port}`);
    const remotePort = listener.port;
    const localPort = (await listener.accepted).remotePort ?? 0;
    expect(await ownersOfPorts([{ localPort, remotePort }])).toEqual(new Map([[localPort, [worker.pid]]]));
    // Both ports have to fit: the server's end of the same connection is not the client's.
    expect(await ownersOfPorts([{ localPort, remotePort: remotePort + 1 }])).toEqual(new Map());
    expect(await ownersOfPorts([{ localPort: remotePort, remotePort: localPort }])).toEqual(
      new Map([[remotePort, [process.pid]]]),
    );
    await worker.kill();
    expect(await ownersOfPorts([{ localPort, remotePort }])).toEqual(new Map());
  });

  it.skipIf(!hasPython)('names all processes that share a connection after a fork', async () => {
    await using scripts = await WorkerScripts.create(FILES);
    await using listener = await listen('127.0.0.1');
    const worker = await scripts.start(`exec python3 shares.py ${listener.port}`);
    const socket = await listener.accepted;
    await once(socket, 'data');
    const localPort = socket.remotePort ?? 0;
    const owners = await ownersOfPorts([{ localPort, remotePort: listener.port }]);
    const pids = (await worker.tree()).processes.map((process) => process.pid);
    expect(pids).toHaveLength(2);
    expect(owners.get(localPort)).toEqual(pids.toSorted((left, right) => left - right));
  });

  it('takes less than 50 ms, and nothing if nothing is asked', async () => {
    await using scripts = await WorkerScripts.create(FILES);
    await using listener = await listen('127.0.0.1');
    await scripts.start(`exec node connects.js 127.0.0.1 ${listener.port}`);
    const localPort = (await listener.accepted).remotePort ?? 0;
    const ports = Array.from({ length: 100 }, (_, index) => ({
      localPort: localPort + index,
      remotePort: listener.port,
    }));
    await ownersOfPorts(ports);
    expect(await processorTimeMs(() => ownersOfPorts(ports))).toBeLessThan(50);
    expect(await ownersOfPorts([])).toEqual(new Map());
  });
});
