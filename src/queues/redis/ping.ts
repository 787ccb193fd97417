/** Which server it is, and what about it endangers a queue. */
import type { Redis } from 'ioredis';

import { environmentError } from '../../core/errors.ts';
import { errorText, type BrokerName } from '../broker-errors.ts';
import type { BrokerInfo } from '../queue.ts';
import { readOnly } from './connection.ts';

/** LPOS, by which messages are found, came with this version. */
const OLDEST_VERSION = '6.0.6';

/** Which version the queue's own library asks for. */
export interface RedisWish {
  readonly library: string;
  readonly recommendedVersion: string;
}

/** @throws UserError `broker-loading`, `broker-read-only`, `broker-too-old`; errors of the connection as they come. */
export async function pingRedis(
  client: Redis,
  broker: BrokerName,
  wish: RedisWish | null,
): Promise<BrokerInfo> {
  const info = await readInfo(client);
  if (info === null) {
    return { server: 'Redis', address: broker.address, warnings: [] };
  }
  if (info.get('loading') === '1') {
    throw environmentError(
      'broker-loading',
      `Redis at ${broker.address} is still loading its data.`,
      'Try again shortly.',
    );
  }
  if (info.get('role') === 'slave') throw readOnly(broker);
  const version = info.get('redis_version') ?? '';
  const server = serverName(info, version);
  if (isOlder(version, OLDEST_VERSION)) {
    throw environmentError(
      'broker-too-old',
      `${server} at ${broker.address} is too old.`,
      `Redis ${OLDEST_VERSION} or newer is needed${wish === null ? '' : `, ${wish.recommendedVersion} or newer is what ${wish.library} recommends`}.`,
    );
  }
  const warnings: string[] = [];
  if (wish !== null && isOlder(version, wish.recommendedVersion)) {
    warnings.push(
      `${server} is older than ${wish.recommendedVersion}, the version that ${wish.library} recommends.`,
    );
  }
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    warnings.push(
      `maxmemory-policy is ${policy}: when memory runs short Redis drops keys of the queue, and jobs with them. Set it to noeviction.`,
    );
  }
  if (await keepsNothing(client, info)) {
    warnings.push(
      'Redis writes nothing to disk (no save, no appendonly): a restart of Redis itself loses the queue.',
    );
  }
  return { server, address: broker.address, warnings };
}

/** `null` where INFO is not allowed. */
async function readInfo(client: Redis): Promise<ReadonlyMap<string, string> | null> {
  try {
    const lines = (await client.info()).split(/\r?\n/).filter((line) => line.includes(':'));
    return new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as const),
    );
  } catch (error) {
    if (errorText(error).startsWith('NOPERM')) return null;
    throw error;
  }
}

function serverName(info: ReadonlyMap<string, string>, version: string): string {
  const valkey = info.get('valkey_version');
  if (valkey !== undefined) return `Valkey ${valkey}`;
  const dragonfly = info.get('dragonfly_version');
  if (dragonfly !== undefined) return `Dragonfly ${dragonfly.replace(/^df-v?/, '')}`;
  return `Redis ${version}`.trim();
}

/** Managed servers answer CONFIG not at all, or to administrators alone: then nothing is said. */
async function keepsNothing(client: Redis, info: ReadonlyMap<string, string>): Promise<boolean> {
  if (info.get('aof_enabled') !== '0') return false;
  try {
    const answer = await client.config('GET', 'save');
    return Array.isArray(answer) && answer[0] === 'save' && answer[1] === '';
  } catch {
    return false;
  }
}

/** Compares `7.0.15` and the like by their numbers; text that is no version is not older. */
function isOlder(version: string, than: string): boolean {
  const have = version.split('.').map(Number);
  const need = than.split('.').map(Number);
  if (version === '' || have.some(Number.isNaN)) return false;
  for (const [index, wanted] of need.entries()) {
    const part = have[index] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
}
