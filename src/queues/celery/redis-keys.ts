/** The keys that kombu keeps in Redis (kombu/transport/redis.py `Channel`). */
import { number } from '../redis/values.ts';

const SEPARATOR = '\u0006\u0016';
const STEPS = [0, 3, 6, 9];
/** A worker may be set to other steps than kombu's own. */
const PRIORITIES = [1, 2, 3, 4, 5, 6, 7, 8, 9];

export interface RedisKeys {
  readonly queue: string;
  /** The lists of the queue, each priority that may be. */
  readonly lists: readonly string[];
  readonly unacked: string;
  readonly unackedIndex: string;
  readonly unackedMutex: string;
  readonly result: (id: string) => string;
  readonly replyBinding: string;
  readonly replyList: (oid: string) => string;
  readonly replyMember: (oid: string) => string;
  /** The channel that workers hear remote control on. */
  readonly controlChannel: string;
  /** What a worker leaves behind when the queue holds no message any more. */
  readonly bookkeeping: readonly string[];
  /** The list that a message of this priority goes to. */
  readonly listOf: (priority: number) => string;
}

const REPLY = 'reply.celery.pidbox';

/** @param prefix kombu's `global_keyprefix` */
export function redisKeys(prefix: string, queue: string, database: number): RedisKeys {
  const key = (name: string): string => `${prefix}${name}`;
  const binding = (exchange: string): string => key(`_kombu.binding.${exchange}`);
  const list = (step: number): string => key(step === 0 ? queue : `${queue}${SEPARATOR}${step}`);
  return {
    queue,
    lists: [0, ...PRIORITIES].map(list),
    unacked: key('unacked'),
    unackedIndex: key('unacked_index'),
    unackedMutex: key('unacked_mutex'),
    result: (id) => `celery-task-meta-${id}`,
    replyBinding: binding(REPLY),
    replyList: (oid) => key(`${oid}.${REPLY}`),
    replyMember: (oid) => `${oid}${SEPARATOR}${SEPARATOR}${oid}.${REPLY}`,
    controlChannel: key(`/${database}.celery.pidbox`),
    bookkeeping: [
      ...new Set([
        binding(queue),
        binding('celery'),
        binding('celery.pidbox'),
        binding('celeryev'),
        binding(REPLY),
      ]),
      key('unacked_mutex'),
    ],
    listOf: (priority) => list(STEPS.findLast((step) => step <= priority) ?? 0),
  };
}

/** The number of the database in a Redis URL or a socket's path. */
export function databaseOf(url: string): number {
  if (url.startsWith('/')) return number(/[?&]db=(\d+)/.exec(url)?.[1]) ?? 0;
  const path = URL.canParse(url) ? new URL(url).pathname.replace(/^\/+/, '') : '';
  return number(path === '' ? '0' : path) ?? 0;
}
