import { describe, expect, test } from 'vitest';
import { normaliseDatabaseUrl } from './database-url.ts';
import { describeUrl, isLocalUrl } from './server-address.ts';

describe('describeUrl', () => {
  test.each([
    ['postgres://u:hidden@h:5433/db?sslmode=require', 'h:5433/db'],
    ['postgres://u:hidden@h/db', 'h:5432/db'],
    ['postgres://h', 'h:5432'],
    ['postgres://[::1]/db', '[::1]:5432/db'],
    ['postgres://u@%2Fvar%2Frun/db', '/var/run:5432/db'],
    ['postgres://u:hidden@/db', 'localhost:5432/db'],
    ['redis://:hidden@h:6380/2', 'h:6380/2'],
    ['redis://h', 'h:6379'],
    ['rediss://u:hidden@h/', 'h:6379'],
    ['/run/redis.sock', '/run/redis.sock'],
    ['unix:///run/redis.sock', '/run/redis.sock'],
    ['amqp://u:hidden@h//', 'h:5672//'],
    ['hidden hidden', 'a URL that cannot be read'],
    ['postgres://u:hid%den@h:x/db', 'a URL that cannot be read'],
  ])('%s is %s', (url, expected) => {
    expect(describeUrl(url)).toBe(expected);
  });
});

describe('isLocalUrl', () => {
  const names: Readonly<Record<string, readonly string[]>> = {
    'my-laptop': ['127.0.1.1'],
    'both.test': ['::1', '127.0.0.1'],
    'mixed.test': ['127.0.0.1', '10.0.0.5'],
    'db.internal': ['10.0.0.5'],
    empty: [],
  };
  const resolve = async (host: string) => {
    const addresses = names[host];
    if (addresses === undefined) throw new Error(`ENOTFOUND ${host}`);
    return addresses;
  };

  test.each([
    'postgres://localhost/db',
    'postgres://LOCALHOST./db',
    'postgres://u:p@db.localhost:5433/db',
    'postgres://127.0.0.1/db',
    'postgres://127.255.0.3/db',
    'postgres://[::1]/db',
    'postgres://[::ffff:127.0.0.1]/db',
    'postgres:///db',
    'postgres://u@/db?host=/var/run/postgresql',
    'postgres://%2Fvar%2Frun%2Fpostgresql/db',
    'postgres://my-laptop/db',
    'postgres://both.test/db',
    'redis://127.0.0.1:6379/0',
    '/run/redis.sock',
    'unix:///run/redis.sock',
  ])('%s is on this machine', async (url) => {
    expect(await isLocalUrl(url, resolve)).toBe(true);
  });

  test.each([
    'postgres://db.example.com/db',
    'postgres://db.internal/db',
    'postgres://mixed.test/db',
    'postgres://empty/db',
    'postgres://10.0.0.5/db',
    'postgres://192.168.1.4/db',
    'postgres://172.17.0.2/db',
    'postgres://128.0.0.1/db',
    'postgres://[fe80::1]/db',
    'postgres://[::ffff:10.0.0.5]/db',
    'postgres://host.docker.internal/db',
    'postgres://localhost.example.com/db',
    'postgres://notlocalhost/db',
    // A host in the parameters is the one that is connected to.
    'postgres://localhost/db?host=db.example.com',
    'postgres:///db?host=db.example.com',
    'postgres:///db?host=/tmp&host=db.example.com',
    'redis://:localhost@db.example.com',
    'redis:///0?host=db.example.com',
    'not a url',
  ])('%s is not known to be', async (url) => {
    expect(await isLocalUrl(url, resolve)).toBe(false);
  });

  test('the system itself knows localhost in every spelling, and no name that ends in .invalid', async () => {
    expect(await isLocalUrl('postgres://127.1/db')).toBe(true);
    expect(await isLocalUrl('postgres://nowhere.invalid/db')).toBe(false);
  });

  test('PGHOST cannot smuggle a remote host past it', async () => {
    const url = normaliseDatabaseUrl('postgres:///db', {
      option: 'DATABASE_URL',
      env: { PGHOST: 'db.example.com' },
    });
    expect(await isLocalUrl(url, resolve)).toBe(false);
  });
});
