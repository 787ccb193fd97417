/**
 * A process that owns an embedded PostgreSQL, for tests of what becomes of the server when its owner is signalled.
 * Argument: the folder. Prints one line of JSON when the server is ready (`OwnedServer`) and the line `interrupted`
 * at each SIGINT; stops the server and ends at SIGTERM.
 */
import { startEmbeddedPostgres } from '../embedded/postgres.ts';
import type { Thing } from '../core/event.ts';

export interface OwnedServer {
  readonly url: string;
  readonly pid: number;
  readonly made: readonly Thing[];
  readonly ownUid: number | undefined;
}

const folder = process.argv[2] ?? '';
const made: Thing[] = [];
process.on('SIGINT', () => console.log('interrupted'));
const server = await startEmbeddedPostgres({ folder, onMade: (thing) => made.push(thing) });
process.on('SIGTERM', () => {
  void server.stop().then(() => console.log('stopped'));
});
const owned: OwnedServer = { url: server.url, pid: server.pid, made, ownUid: process.getuid?.() };
console.log(JSON.stringify(owned));
