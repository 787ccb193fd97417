/** How our connections to a broker are called, and how long they wait. */

/** The name of our connections: no worker's, so that nobody takes them for consumers. */
export const CONNECTION_NAME = 'verify-restart';

export const CONNECT_TIMEOUT_MS = 5_000;
export const DEFAULT_REQUEST_TIMEOUT_MS = 10_000;
/** How long a polite goodbye may take before the connection is cut. */
export const CLOSE_TIMEOUT_MS = 500;

/** How many unfinished messages are searched for those of a job. */
export const SEARCH_LIMIT = 1_000;
