import { array, assert, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinArguments, programOf, splitArguments } from './command-line.ts';

describe('joinArguments and splitArguments', () => {
  it('join what a shell would take apart again', () => {
    expect(joinArguments(['/bin/sh', '-c', "node 'a b.js'; true"])).toBe(
      "/bin/sh -c 'node '\\''a b.js'\\''; true'",
    );
    expect(joinArguments(['npm start'])).toBe('npm start');
  });

  it('are the inverse of each other for two arguments and more', () => {
    assert(
      property(array(string(), { minLength: 2 }), (values) => {
        expect(splitArguments(joinArguments(values))).toEqual(values);
      }),
    );
  });
});

describe('programOf', () => {
  it.each([
    [
      '/usr/bin/node --enable-source-maps -r dotenv/config dist/worker.js --x',
      'node',
      'dist/worker.js',
      'worker',
    ],
    ['/usr/bin/nodejs server.mjs', 'node', 'server.mjs', 'server'],
    ['node -e setTimeout(x)', 'node', null, null],
    [
      'node /usr/lib/node_modules/npm/bin/npm-cli.js start',
      'node',
      '/usr/lib/node_modules/npm/bin/npm-cli.js',
      'npm-cli',
    ],
    ['npm run worker', 'npm', null, null],
    ['-bash', 'bash', null, null],
    ['/usr/bin/python3.11 -u -m celery -A app worker', 'python', 'celery', 'celery'],
    ['python3 /srv/app/worker.py', 'python', '/srv/app/worker.py', 'worker'],
    ["python3 -c 'import time' worker.py", 'python', null, null],
    ["'/opt/my tools/node' worker.js", 'node', 'worker.js', 'worker'],
    ['ruby3.1 bin/sidekiq', 'ruby', 'bin/sidekiq', 'sidekiq'],
    ['/usr/bin/redis-server *:6379', 'redis-server', null, null],
    ['', '', null, null],
  ])('%s', (line, name, script, scriptName) => {
    expect(programOf(line)).toMatchObject({ name, script, scriptName });
  });
});
