/** Ctrl-C and TERM end a run by its clean-up; asked a second time, the process ends at once and says what is left. */
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';

export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** What to exit with; `null`: not interrupted. */
  readonly exitCode: () => ExitCode | null;
  /** For a Ctrl-C that a prompt has read as a key. */
  readonly interrupt: () => void;
}

export function watchInterruption(say: (line: string) => void): Interruption {
  const controller = new AbortController();
  let exitCode: ExitCode | null = null;
  const on = (code: ExitCode): void => {
    if (exitCode !== null) {
      say('interrupted again: leaving at once; verify-restart cleanup removes what is left');
      process.exit(code);
    }
    exitCode = code;
    say('interrupted: cleaning up');
    controller.abort(new Error('interrupted'));
  };
  const onInterrupt = (): void => on(EXIT_CODES.interrupted);
  const onTerminate = (): void => on(EXIT_CODES.terminated);
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  process.on('SIGHUP', onTerminate);
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    interrupt: onInterrupt,
    [Symbol.dispose]() {
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
      process.off('SIGHUP', onTerminate);
    },
  };
}
