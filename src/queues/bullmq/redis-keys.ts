/** The keys that BullMQ 6 keeps for a queue (classes/queue-keys.ts, and `metrics` in commands/moveToFinished-14.lua). */

/** Where ids of messages are. Redis removes each of them by itself when it is empty. */
const LISTS = ['wait', 'paused', 'active'] as const;
const SORTED = ['delayed', 'prioritized', 'waiting-children', 'completed', 'failed'] as const;

/** What a queue leaves behind when it holds no message any more. */
const BOOKKEEPING = [
  'meta',
  'id',
  'events',
  'marker',
  'stalled-check',
  'stalled',
  'pc',
  'limiter',
  'metrics:completed',
  'metrics:completed:data',
  'metrics:failed',
  'metrics:failed:data',
] as const;

/** What belongs to one message besides its hash. */
const OF_MESSAGE = ['lock', 'logs', 'dependencies', 'processed', 'failed', 'unsuccessful'] as const;

export interface RedisKeys {
  readonly lists: readonly string[];
  readonly sorted: readonly string[];
  /** Any of these: the queue holds messages or repeating jobs. */
  readonly contents: readonly string[];
  readonly bookkeeping: readonly string[];
  of(suffix: (typeof LISTS | typeof SORTED | typeof BOOKKEEPING)[number]): string;
  message(id: string): string;
  lock(id: string): string;
  /** Every key of one message. */
  messageKeys(id: string): readonly string[];
}

export function redisKeys(prefix: string, queueName: string): RedisKeys {
  const key = (suffix: string): string => `${prefix}:${queueName}:${suffix}`;
  return {
    lists: LISTS.map(key),
    sorted: SORTED.map(key),
    contents: [...LISTS, ...SORTED, 'repeat'].map(key),
    bookkeeping: BOOKKEEPING.map(key),
    of: key,
    message: key,
    lock: (id) => key(`${id}:lock`),
    messageKeys: (id) => [key(id), ...OF_MESSAGE.map((suffix) => key(`${id}:${suffix}`))],
  };
}

/**
 * Removes bookkeeping keys, all at once, if the queue holds nothing of anybody: no message, no event that names one,
 * no setting besides those that every worker writes.
 *
 * KEYS: events, meta, the number ARGV[1] of keys with contents, then the keys to remove.
 */
export const REMOVE_BOOKKEEPING = `
local contents = tonumber(ARGV[1])
for i = 3, 2 + contents do
  if redis.call('EXISTS', KEYS[i]) == 1 then return 0 end
end
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  if field ~= 'opts.maxLenEvents' and field ~= 'version' then return 0 end
end
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'jobId' then return 0 end
  end
end
for i = 3 + contents, #KEYS do
  redis.call('DEL', KEYS[i])
end
return 1
`;
