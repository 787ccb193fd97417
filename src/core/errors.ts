/**
 * Errors that a user can mend. Each is one sentence of what is wrong and one of what to do, and is printed
 * without a stack trace, in `cli/main.ts` alone. Anything else that is thrown is a bug of ours and keeps its stack.
 */

/** `usage`: the call or the configuration is wrong, nothing was touched. `environment`: something needed is missing. */
export type UserErrorKind = 'usage' | 'environment';

export interface UserErrorDetails {
  readonly kind: UserErrorKind;
  /** What is wrong, naming the option or setting and its value (never a secret). */
  readonly message: string;
  /** What to do about it, often a command. */
  readonly remedy?: string;
  /** A short stable code for reports and tests, e.g. `database-refused`. */
  readonly code: string;
  readonly cause?: unknown;
}

export class UserError extends Error {
  readonly kind: UserErrorKind;
  readonly remedy: string | undefined;
  readonly code: string;

  constructor(details: UserErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'UserError';
    this.kind = details.kind;
    this.remedy = details.remedy;
    this.code = details.code;
  }
}

export function usageError(code: string, message: string, remedy?: string): UserError {
  return new UserError({ kind: 'usage', code, message, ...(remedy === undefined ? {} : { remedy }) });
}

export function environmentError(code: string, message: string, remedy?: string, cause?: unknown): UserError {
  return new UserError({
    kind: 'environment',
    code,
    message,
    ...(remedy === undefined ? {} : { remedy }),
    ...(cause === undefined ? {} : { cause }),
  });
}

export function isUserError(error: unknown): error is UserError {
  return error instanceof UserError;
}
