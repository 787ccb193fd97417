/** A web server on a free loopback port that answers as it is told, for tests. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

export interface WebServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** `GET /path` of every request so far, with its authorization and, of uploads, the whole body. */
  readonly requests: readonly SeenRequest[];
}

export interface SeenRequest {
  readonly line: string;
  readonly authorization: string | undefined;
  readonly body: Buffer;
}

/** @param tls PEM texts; without them it speaks plain HTTP */
export async function serve(
  listener: RequestListener,
  tls?: { readonly key: string; readonly cert: string },
): Promise<WebServer> {
  const requests: SeenRequest[] = [];
  const answer: RequestListener = (request, response) => {
    void readBody(request).then((body) => {
      const { method, url, headers } = request;
      requests.push({ line: `${method} ${url}`, authorization: headers.authorization, body });
      return listener(request, response);
    });
  };
  const server: Server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return {
    port: address.port,
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
