import { describe, expect, it } from 'vitest';
import { parseSockets } from './socket-owners.ts';

describe('parseSockets', () => {
  it('reads both kinds of table', () => {
    const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0000000000000000 20 4 30 10 -1
   2: 0A00000A:9C40 0200000A:1538 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:9C41 0100007F:1538 06 00000000:00000000 03:00000A2B 00000000     0        0 0 3 0000000000000000
   4: 00000000000000000000000001000000:9C42 00000000000000000000000001000000:1538 01 00000000:00000000 00:00000000 00000000     0        0 444 1 0
   5: 0000000000000000FFFF00000100007F:9C43 0000000000000000FFFF00000100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 555 1 0
`;
    expect(parseSockets(text)).toEqual([
      { localPort: 5432, remotePort: 0, loopback: false, inode: '111' },
      { localPort: 40000, remotePort: 5432, loopback: true, inode: '222' },
      { localPort: 40000, remotePort: 5432, loopback: false, inode: '333' },
      { localPort: 40002, remotePort: 5432, loopback: true, inode: '444' },
      { localPort: 40003, remotePort: 5432, loopback: true, inode: '555' },
    ]);
  });
});
