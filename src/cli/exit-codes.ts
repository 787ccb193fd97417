/** What the process exits with; part of the public interface. */
export const EXIT_CODES = {
  /** Every required criterion passed. */
  verified: 0,
  /** A criterion failed. */
  notVerified: 1,
  /** Usage or configuration error; nothing was touched. */
  usage: 2,
  /** Database, table, broker or worker missing or unreachable; what was made is removed. */
  environment: 3,
  /** The run proves nothing. */
  inconclusive: 4,
  /** A bug of verify-restart. */
  internal: 5,
  /** Ended by SIGINT, after cleaning up. */
  interrupted: 130,
  /** Ended by SIGTERM, after cleaning up. */
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];
