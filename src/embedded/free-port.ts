import { createServer } from 'node:net';

/**
 * A TCP port of 127.0.0.1 that nobody listened on a moment ago. Someone else can take it before it is used, so
 * whoever starts a server on it has to be ready to try another.
 */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') {
          reject(new Error('a listening TCP server has no port'));
        } else {
          resolve(address.port);
        }
      });
    });
  });
}
