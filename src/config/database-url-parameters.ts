/**
 * The part of a database URL behind its `?`. Every driver has its own; what node-postgres does not know is left out,
 * because it takes each parameter as an option of its own name and some mean another thing there.
 */

interface DatabaseUrlParameters {
  /** From `host`, in order. libpq and SQLAlchemy let it replace the host of the URL. */
  readonly hosts: readonly string[];
  readonly port: string | null;
  /** From `user` and `password` (JDBC and libpq). */
  readonly user: string | null;
  readonly password: string | null;
  /** From `dbname` (libpq). */
  readonly database: string | null;
  readonly kept: URLSearchParams;
}

const KEPT = ['sslcert', 'sslkey', 'sslrootcert', 'sslnegotiation', 'options', 'client_encoding'] as const;

/**
 * `application_name` is not kept although node-postgres knows it: the harness's connections go by names of their
 * own, and one in the URL would override them and make the harness look like a worker.
 */
export function readParameters(parameters: URLSearchParams): DatabaseUrlParameters {
  const kept = new URLSearchParams();
  for (const name of KEPT) {
    const value = parameters.get(name);
    if (value !== null) kept.set(name, value);
  }
  setTls(kept, tlsMode(parameters), parameters.has('sslrootcert'));
  return {
    hosts: parameters.getAll('host').filter((host) => host !== ''),
    port: parameters.get('port'),
    user: parameters.get('user'),
    password: parameters.get('password'),
    database: parameters.get('dbname'),
    kept,
  };
}

/** libpq's `sslmode`; else `ssl` as asyncpg (a mode), JDBC and node-postgres (a yes or no) have it. */
function tlsMode(parameters: URLSearchParams): string | null {
  const mode = parameters.get('sslmode');
  if (mode !== null) return mode;
  const ssl = parameters.get('ssl');
  switch (ssl?.toLowerCase()) {
    case undefined:
      return null;
    case 'true':
    case '1':
    case '':
      // All three drivers check the certificate when they are only told yes.
      return 'verify-full';
    case 'false':
    case '0':
      return 'disable';
    default:
      return ssl;
  }
}

/**
 * The modes mean what the PostgreSQL manual says ("SSL Support", chapter of libpq). node-postgres 8 takes `require`
 * and `verify-ca` for `verify-full` and warns about it, unless told to go by libpq. `prefer` and `allow` leave the
 * choice to the server, which node-postgres cannot; as they demand nothing, they are left out.
 */
function setTls(kept: URLSearchParams, mode: string | null, hasRootCertificate: boolean): void {
  if (mode === null || mode === 'prefer' || mode === 'allow') return;
  kept.set('sslmode', mode);
  if (mode === 'require' || (mode === 'verify-ca' && hasRootCertificate)) kept.set('uselibpqcompat', 'true');
}
