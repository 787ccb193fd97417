import { expect, test } from 'vitest';
import { refusedServer } from './refused-connection.ts';

test.each([
  ['  Error: connect ECONNREFUSED 127.0.0.1:6379', '127.0.0.1:6379'],
  ['connect ECONNREFUSED ::1:5432', '::1:5432'],
  [
    'psycopg2.OperationalError: connection to server at "127.0.0.1", port 5433 failed: Connection refused',
    '127.0.0.1:5433',
  ],
  [
    'Cannot connect to redis://localhost:6380/1: Error 111 connecting to localhost:6380. Connection refused..',
    'localhost:6380',
  ],
  ['listening on 127.0.0.1:3000', undefined],
])('%s', (line, server) => {
  expect(refusedServer(['started', line, '    at TCPConnectWrap'])).toBe(server);
});
