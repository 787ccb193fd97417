/** What CLIENT LIST says of the clients of a Redis. */
import type { Connection } from '../../core/event.ts';
import { errorText } from '../broker-errors.ts';

export interface RedisClient extends Connection {
  readonly database: number;
  /** The last command, in lower case. */
  readonly command: string;
  /** How long the connection has been there, to the second. */
  readonly ageMs: number;
}

/** @param list lines like `id=3 addr=127.0.0.1:51234 … name=w age=8 db=0 cmd=brpop …` */
export function readClientList(list: string): readonly RedisClient[] {
  return list
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const fields = Object.fromEntries(line.split(' ').map(keyAndValue));
      const { id = '', name = '', addr = '', db = '', cmd = '', age = '' } = fields;
      const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(addr) ?? [];
      const isSocket = addr.startsWith('/');
      return {
        id,
        name,
        address: isSocket ? null : (host ?? null),
        port: isSocket || port === undefined ? null : Number(port),
        pid: null,
        database: Number(db),
        command: cmd,
        ageMs: Number(age) * 1000,
      };
    });
}

function keyAndValue(part: string): [string, string] {
  const at = part.indexOf('=');
  return [part.slice(0, at), part.slice(at + 1)];
}

/** Managed servers forbid or rename CLIENT. */
export function isClientListForbidden(error: unknown): boolean {
  return /^NOPERM|unknown (sub)?command/i.test(errorText(error));
}
