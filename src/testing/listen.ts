/** A server on a free port of a loopback address, for tests. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

export interface Listener extends AsyncDisposable {
  readonly port: number;
  /** The server's end of the first connection. */
  readonly accepted: Promise<Socket>;
}

export async function listen(host: string): Promise<Listener> {
  const sockets = new Set<Socket>();
  const server = createServer();
  const accepted = new Promise<Socket>((resolve) => {
    server.on('connection', (socket) => {
      // Clients are killed on purpose.
      socket.on('error', () => {});
      sockets.add(socket);
      resolve(socket);
    });
  });
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return {
    port: address.port,
    accepted,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
