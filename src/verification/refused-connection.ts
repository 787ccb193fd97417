/** A worker that fails to start mostly says in its output which server it could not reach. */

/** Node's, libpq's and redis-py's ways to say that nobody listens. */
const REFUSED = [
  /ECONNREFUSED ([\w.:[\]-]+:\d+)/,
  /server at "([\w.:-]+)"[^\n]*, port (\d+) failed: Connection refused/,
  /Error \d+ connecting to ([\w.:-]+:\d+)\. Connection refused/,
] as const;

/** @returns `host:port` of the last server that refused a connection, if the text tells of one */
export function refusedServer(output: readonly string[]): string | undefined {
  for (const line of output.toReversed()) {
    for (const pattern of REFUSED) {
      const found = pattern.exec(line);
      if (found !== null) return found.slice(1).join(':');
    }
  }
  return undefined;
}
