/**
 * Hides secrets in text that is shown or recorded: command lines, lines of a worker's output, messages of errors.
 * It errs on the side of hiding: a harmless word that looks like the value of a password is masked too.
 */

export const MASK = '***';

/** Literal secrets shorter than this are left alone: masking every "ab" would garble the text and give the secret away. */
const SHORTEST_SECRET = 4;

/** What the name of a setting that holds a secret contains. Bounded repetitions keep long lines linear. */
const SECRET_NAME =
  '[\\w.-]{0,64}(?:passwords?|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)(?:[_-][\\w-]{0,64})?|rediscli_auth';

/** A quoted value whole, otherwise up to what ends a value in a shell, a URL's query, JSON or a connection string. */
const VALUE = '"(?:[^"\\\\]|\\\\.){0,4096}"|\'[^\']{0,4096}\'|[^\\s"\'&;,}\\])]+';

/** `scheme://user:password@`. A password that starts like `8080/` is a port and a path. */
const URL_PASSWORD =
  /\b([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:@/'"]{0,256}):(?!\d{1,5}\/)(?:(?!:\/\/)[^\s'"]){1,1024}@/giu;

/** `https://token@host`: for web addresses the user alone is the secret. */
const URL_TOKEN = /\b(https?:\/\/)[^\s:@/'"]{1,1024}@/giu;

/** `name=value`, `name: value`, `"name": "value"`, `--name=value`. */
const ASSIGNMENT = new RegExp(`(?<![\\w.])(${SECRET_NAME})(["']?\\s{0,4}[=:]\\s{0,4})(${VALUE})`, 'giu');

/** `--password value`; `--no-password` takes no value. */
const FLAG = new RegExp(
  `(?<![\\w-])(--?(?!-|no-)(?:${SECRET_NAME}|[a-z-]{0,64}pass|auth))(\\s+)(?!-)(${VALUE})`,
  'giu',
);

/** `Authorization: Bearer value`, whatever the quotes. */
const AUTHORIZATION =
  /\b(authorization["']?\s{0,4}[:=]\s{0,4}["']?(?:(?:bearer|basic|token)\s+)?)[^\s"',]+/giu;
const BEARER = /\b(bearer\s+)[\w.~+/=-]{16,}/giu;

/** The short flags of two clients that are often found in command lines. */
const REDIS_CLI = /\b(redis-cli\b[^\n|;]{0,512}?\s-a\s+)(?!-)\S+/giu;
const CURL_USER = /\b(curl\b[^\n|;]{0,512}?\s(?:-u|--user)\s+["']?[^\s:"']{0,256}:)[^\s"']+/giu;

/**
 * The text with every secret replaced by `***`: passwords in URLs, values of settings and flags that are named like
 * secrets, authorization headers, and the given literal `secrets` (also in their percent-encoded form).
 * Redacting twice changes nothing more.
 */
export function redactText(text: string, secrets: readonly string[] = []): string {
  return redactPatterns(redactLiterals(text, secrets));
}

function redactLiterals(text: string, secrets: readonly string[]): string {
  const forms = secrets
    .filter((secret) => secret.length >= SHORTEST_SECRET)
    .flatMap((secret) => [secret, encodeURIComponent(secret)])
    // The longest first, so that a secret that contains another one is masked whole.
    .sort((left, right) => right.length - left.length);
  return forms.reduce((redacted, secret) => redacted.replaceAll(secret, MASK), text);
}

/** A mask may complete what another pattern looks for, so it is done until nothing more is found. */
function redactPatterns(text: string): string {
  let redacted = text;
  for (;;) {
    const before = redacted;
    redacted = maskPatterns(before);
    if (redacted === before) return redacted;
  }
}

function maskPatterns(text: string): string {
  return text
    .replace(URL_PASSWORD, `$1:${MASK}@`)
    .replace(URL_TOKEN, `$1${MASK}@`)
    .replace(AUTHORIZATION, `$1${MASK}`)
    .replace(BEARER, `$1${MASK}`)
    .replace(REDIS_CLI, `$1${MASK}`)
    .replace(CURL_USER, `$1${MASK}`)
    .replace(ASSIGNMENT, (whole: string, name: string, separator: string, value: string) =>
      // The shell's working directory is no password.
      name === 'PWD' || name === 'OLDPWD' ? whole : name + separator + maskOf(value),
    )
    .replace(
      FLAG,
      (_whole: string, flag: string, space: string, value: string) => flag + space + maskOf(value),
    );
}

/** Quotes are kept, so that JSON stays JSON and a command line can still be split into its arguments. */
function maskOf(value: string): string {
  const quote = value.charAt(0);
  return quote === '"' || quote === "'" ? quote + MASK + quote : MASK;
}
