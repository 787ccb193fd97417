import { expect, test } from 'vitest';
import { parsePlan } from './redis-server.ts';

test('what apt would install is read from its plan, whether it is new, an upgrade or a reinstallation', () => {
  const plan = [
    'Reading package lists...',
    'The following NEW packages will be installed:',
    '  libjemalloc2 redis-server',
    'Inst libjemalloc2 (5.3.0-1 Debian:12.12/oldstable [amd64])',
    'Inst libssl3 [3.0.15-1] (3.0.17-1 Debian-Security:12/oldstable-security [amd64])',
    'Inst redis-server [5:7.0.15-1~deb12u7] (5:7.0.15-1~deb12u10 Debian-Security:12 [amd64]) []',
    'Conf libjemalloc2 (5.3.0-1 Debian:12.12/oldstable [amd64])',
    '',
  ].join('\n');
  expect(parsePlan(plan)).toEqual([
    { name: 'libjemalloc2', version: '5.3.0-1' },
    { name: 'libssl3', version: '3.0.17-1' },
    { name: 'redis-server', version: '5:7.0.15-1~deb12u10' },
  ]);
  expect(parsePlan('')).toEqual([]);
});
