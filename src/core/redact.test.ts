import { array, assert, constantFrom, property, stringMatching } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { processorTimeMs } from '../testing/processor-time.ts';
import { redactText } from './redact.ts';

describe('redactText', () => {
  it.each([
    ['postgres://app:s3cret@db:5432/jobs', 'postgres://app:***@db:5432/jobs'],
    ['redis://:s3cret@localhost:6379/0', 'redis://:***@localhost:6379/0'],
    ['postgresql+asyncpg://app:p@ss/w:rd@db/jobs', 'postgresql+asyncpg://app:***@db/jobs'],
    ['amqp://a:one@h1,amqp://c:two@h2', 'amqp://a:***@h1,amqp://c:***@h2'],
    ['git clone https://ghp_abcdef@github.com/x', 'git clone https://***@github.com/x'],
    ['worker --password hunter2 --queue mail', 'worker --password *** --queue mail'],
    ["worker --db-password 'hunter 2' run", "worker --db-password '***' run"],
    ['worker --password=hunter2 run', 'worker --password=*** run'],
    ['worker --api-key abc -v', 'worker --api-key *** -v'],
    ['worker -auth abc', 'worker -auth ***'],
    ['PGPASSWORD=hunter2 node worker.js', 'PGPASSWORD=*** node worker.js'],
    ['MYSQL_PWD=hunter2 REDISCLI_AUTH=abc x', 'MYSQL_PWD=*** REDISCLI_AUTH=*** x'],
    ['AWS_SECRET_ACCESS_KEY="a b" x', 'AWS_SECRET_ACCESS_KEY="***" x'],
    ['host=db password=hunter2 dbname=jobs', 'host=db password=*** dbname=jobs'],
    ['connect("/x?user=a&password=hunter2&ssl=1")', 'connect("/x?user=a&password=***&ssl=1")'],
    ['{"user":"a","password":"hun\\"ter2","port":1}', '{"user":"a","password":"***","port":1}'],
    ["{ password: 'hunter2', port: 1 }", "{ password: '***', port: 1 }"],
    ['Authorization: Bearer abc.def.ghi', 'Authorization: Bearer ***'],
    ['-H "authorization: Basic dXNlcjpwYXNz"', '-H "authorization: Basic ***"'],
    ['got bearer eyJhbGciOiJIUzI1NiJ9.e30', 'got bearer ***'],
    ['redis-cli -h localhost -a hunter2 ping', 'redis-cli -h localhost -a *** ping'],
    ['curl -s -u me:hunter2 http://h/', 'curl -s -u me:*** http://h/'],
  ])('%s', (text, expected) => {
    expect(redactText(text)).toBe(expected);
  });

  it.each([
    'node worker.js --queue mail --concurrency 5',
    'PWD=/srv/app OLDPWD=/ node worker.js',
    'GET http://localhost:4873/@scope/package 200',
    'psql --no-password jobs',
    'FATAL: password authentication failed for user "app"',
    'postgres://app@db:5432/jobs',
    'mail to a@example.com: sent',
    'max_tokens=512',
  ])('leaves alone: %s', (text) => {
    expect(redactText(text)).toBe(text);
  });

  it('masks literal secrets wherever they are, encoded ones too, the longest first', () => {
    expect(redactText('a=hunter2/x b=hunter2%2Fx c=hunter2', ['hunter2', 'hunter2/x'])).toBe(
      'a=*** b=*** c=***',
    );
  });

  it('ignores literal secrets that are too short to be masked sensibly', () => {
    expect(redactText('a banana', ['an'])).toBe('a banana');
  });

  it('never lets a password of a URL through, whatever it contains, and is idempotent', () => {
    const password = stringMatching(/^[A-Za-z!$%^*()_+=~.-]{8,20}$/u);
    assert(
      property(password, constantFrom('postgres', 'redis', 'amqp', 'https'), (secret, scheme) => {
        const redacted = redactText(`started with ${scheme}://user:${secret}@host/path now`);
        expect(redacted).toBe(`started with ${scheme}://user:***@host/path now`);
        expect(redactText(redacted)).toBe(redacted);
      }),
    );
  });

  it('changes nothing more the second time, where a mask completes what another one looks for', () => {
    const once = redactText('x://x://://secret@');
    expect(once).not.toContain('secret');
    expect(redactText(once)).toBe(once);
  });

  it('changes nothing more the second time', () => {
    const piece = constantFrom(
      'password',
      'token',
      'PWD',
      '=',
      ':',
      ' ',
      '"',
      "'",
      '--',
      '-',
      '://',
      '@',
      'https',
      'x',
      'no-',
      'curl -u ',
      ',',
    );
    assert(
      property(array(piece, { maxLength: 14 }), (pieces) => {
        const once = redactText(pieces.join(''));
        expect(redactText(once)).toBe(once);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes linear time on long lines that almost match', async () => {
    const pieces = ['a-', 'a', 'a.', 'a://b:', 'password', '--pass ', 'curl ', '"', 'bearer '];
    const spentMs = await processorTimeMs(() => {
      for (const piece of pieces) redactText(piece.repeat(65_536 / piece.length));
    });
    expect(spentMs).toBeLessThan(2000);
  });
});
