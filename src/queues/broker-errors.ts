/**
 * What went wrong between us and a broker, in words for the user. The texts of the client libraries are not passed
 * on where they could carry a URL or a password; the address given here never has credentials.
 */
import { environmentError, type UserError } from '../core/errors.ts';

/** The broker as it is named in messages, e.g. `Redis` at `127.0.0.1:6379`. */
export interface BrokerName {
  readonly product: string;
  readonly address: string;
  /** How the user says where it is, e.g. `--broker-url`. */
  readonly option: string;
  /** The URL scheme or parameter that asks for TLS. */
  readonly tlsHint: string;
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The errors of the network and of TLS, by Node's codes; `null` for any other. */
export function networkError(broker: BrokerName, error: unknown): UserError | null {
  const { product, address, option, tlsHint } = broker;
  const at = `${product} at ${address}`;
  const code = errorCode(error);
  switch (code) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      return environmentError(
        'broker-refused',
        `${at} refused the connection: nothing listens there.`,
        `Start ${product}, or name the right host and port by ${option}.`,
        error,
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return environmentError(
        'broker-unknown-host',
        `The host of ${at} is unknown.`,
        `Check the host name in ${option}.`,
        error,
      );
    case 'ETIMEDOUT':
      return brokerTimeout(broker, error);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
      return environmentError(
        'broker-unreachable',
        `${at} cannot be reached over the network.`,
        `Check the address in ${option}, VPN and firewall.`,
        error,
      );
    case 'EACCES':
      return environmentError(
        'broker-permission',
        `The socket of ${at} may not be opened by this user.`,
        'Run as a user that may, or use a host and port.',
        error,
      );
    default:
  }
  if (/^(ERR_SSL|ERR_TLS|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code)) {
    return environmentError(
      'broker-tls',
      `No TLS connection to ${at} came about (${code}).`,
      code.includes('CERT') || code.includes('SELF_SIGNED') || code.startsWith('UNABLE_TO_')
        ? "The server's certificate is not trusted here: set NODE_EXTRA_CA_CERTS to the authority's certificate file."
        : `If the server speaks no TLS, leave out ${tlsHint} in ${option}.`,
      error,
    );
  }
  return null;
}

export function brokerTimeout(broker: BrokerName, cause?: unknown): UserError {
  return environmentError(
    'broker-timeout',
    `${broker.product} at ${broker.address} did not answer in time.`,
    `Check that the server is alive and that ${broker.option} names the right host and port.`,
    cause,
  );
}
