import { describe, expect, it } from 'vitest';
import type { ProcessInfo } from '../core/event.ts';
import { mainOf, mainOfTree } from './main-process.ts';

/** One line a process: blanks of depth, pid, command; `+` before the command: forked without an exec. */
function processesOf(drawing: string): readonly ProcessInfo[] {
  const path: { readonly depth: number; readonly pid: number }[] = [];
  return drawing
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, blanks = '', number = '', plus, command = ''] = /^( *)(\d+) (\+?)(.*)$/u.exec(line) ?? [];
      const depth = blanks.length;
      while ((path.at(-1)?.depth ?? -1) >= depth) path.pop();
      const parentPid = path.at(-1)?.pid ?? 1;
      const pid = Number(number);
      path.push({ depth, pid });
      return {
        pid,
        parentPid,
        groupId: 100,
        sessionId: 100,
        startToken: String(1000 + pid),
        command,
        ...(plus === '+' ? { forked: true } : {}),
      };
    });
}

describe('mainOfTree', () => {
  it.each([
    ['the worker itself', '100 node worker.js', 100],
    ['a worker with children of its own', '100 node worker.js\n 101 node child.js', 100],
    ['sh -c', "100 /bin/sh -c 'node worker.js; true'\n 101 node worker.js", 101],
    [
      'npm start',
      '100 npm start\n 101 sh -c node worker.js\n  102 node worker.js\n   103 node child.js',
      102,
    ],
    ['npm by its file', '100 node /usr/bin/npm-cli.js start\n 101 sh -c x\n  102 node worker.js', 102],
    ['yarn of the project', '100 node .yarn/releases/yarn-4.1.0.cjs start\n 101 node worker.js', 101],
    ['pnpm', '100 /bin/sh -c pnpm start\n 101 node /usr/bin/pnpm start\n  102 node worker.js', 102],
    ['env, nohup, timeout', '100 timeout 60 nohup node worker.js\n 101 node worker.js', 101],
    ['an init of a container', '100 /usr/bin/tini -- node worker.js\n 101 node worker.js', 101],
    [
      'a subshell',
      "100 /bin/sh -c '(node worker.js; true)'\n 101 +/bin/sh -c '(node worker.js; true)'\n  102 node worker.js",
      102,
    ],
    [
      'tsx',
      '100 node node_modules/.bin/tsx worker.ts\n 101 node --import file:///x/tsx/dist/loader.mjs worker.ts\n  102 node --import file:///x/tsx/dist/loader.mjs child.ts',
      101,
    ],
    [
      'ts-node in one process',
      '100 node node_modules/.bin/ts-node worker.ts\n 101 node /x/bullmq/dist/cjs/classes/main.js',
      100,
    ],
    ['nodemon', '100 node node_modules/.bin/nodemon worker.js\n 101 node worker.js', 101],
    ['node --watch', '100 node --watch worker.js\n 101 node worker.js', 101],
    ['node with a --watch of the script', '100 node worker.js --watch\n 101 node child.js', 100],
    ['bun run of a script', '100 bun run start\n 101 bun worker.ts', 101],
    ['bun run of a file', '100 bun run worker.ts\n 101 node child.js', 100],
    ['go run', '100 go run .\n 101 /tmp/go-build1/exe/app', 101],
    ['a wrapper without a child', '100 npm start', 100],
    ['a worker with the name of a tool', '100 node task.js\n 101 node child.js', 100],
    ['a log pipe', "100 sh -c 'node worker.js | tee log'\n 101 node worker.js\n 102 tee log", 101],
    ['a log pipe, the helper first', "100 sh -c 'x'\n 101 tee log\n 102 node worker.js", 102],
    ['a worker in shell', '100 bash worker.sh\n 101 psql -c x', 100],
    [
      'a prefork parent',
      '100 sh -c x\n 101 python -m celery worker\n  102 +python -m celery worker\n  103 +python -m celery worker',
      101,
    ],
    [
      'a cluster primary',
      '100 node app.js\n 101 /usr/bin/node /srv/app.js\n 102 /usr/bin/node /srv/app.js',
      100,
    ],
    [
      'several children: the one with most below it',
      "100 sh -c 'x'\n 101 python -m celery worker\n  102 +python\n 103 node metrics.js",
      101,
    ],
    ['several children: the last started', "100 sh -c 'x'\n 101 redis-server *:1\n 102 node worker.js", 102],
    ['a root that is gone', ' 101 sh -c x\n  102 node worker.js', 102],
    [
      'a daemon that left its wrapper',
      "100 sh -c 'start; tail -f log'\n 101 tail -f log\n200 python -m celery worker",
      200,
    ],
    [
      'a child with a session of its own beside its parent',
      '100 sh -c x\n 101 node worker.js\n200 node orphan.js',
      101,
    ],
  ])('%s', (_name, drawing, expected) => {
    expect(mainOfTree(processesOf(drawing), 100)?.pid).toBe(expected);
  });

  it('is null in an empty tree', () => {
    expect(mainOfTree([], 100)).toBeNull();
  });
});

describe('mainOf', () => {
  it.each([
    ['the worker itself', '10 bash\n 11 node worker.js', 11, 11],
    [
      'a prefork child with a title of its own',
      '10 -bash\n 11 [celeryd: a:MainProcess]\n  12 +[celeryd: a:ForkPoolWorker-1]',
      12,
      11,
    ],
    [
      'a prefork child where forks cannot be told',
      '10 bash\n 11 python -m celery worker\n  12 python -m celery worker',
      12,
      11,
    ],
    [
      'a cluster worker',
      '10 npm start\n 11 sh -c x\n  12 node app.js --a\n   13 /usr/bin/node /srv/app.js --a',
      13,
      12,
    ],
    [
      'a sandbox child',
      '10 sh -c x\n 11 node worker.js\n  12 /usr/bin/node /srv/node_modules/bullmq/dist/cjs/classes/main.js',
      12,
      11,
    ],
    [
      'a spawned pool child',
      '10 bash\n 11 python3 worker.py\n  12 /usr/bin/python3.11 -c from multiprocessing.spawn import spawn_main',
      12,
      11,
    ],
    ['a program of its own under a worker', '10 node dev-server.js\n 11 node worker.js', 11, 11],
    [
      'a program of the same file name with other arguments',
      '10 node app.js serve\n 11 node app.js work',
      11,
      11,
    ],
    ['a child of a supervisor', '10 /usr/bin/python3 /usr/bin/supervisord -n\n 11 python3 worker.py', 11, 11],
    ['a fork of a supervisor', '10 PM2 v5.3.0: God Daemon (/root/.pm2)\n 11 +node /srv/worker.js', 11, 11],
  ])('%s', (_name, drawing, holder, expected) => {
    const table = new Map(processesOf(drawing).map((process) => [process.pid, process]));
    expect(mainOf(holder, table)?.pid).toBe(expected);
  });

  it('is null for a process that is gone', () => {
    expect(mainOf(99, new Map())).toBeNull();
  });
});
