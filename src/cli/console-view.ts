/** The live view of a run on a terminal, a pipe or a log: the lines of the events, and a spinner where there is a TTY. */
import { Chalk, supportsColor, supportsColorStderr, type ChalkInstance } from 'chalk';
import ora, { type Ora } from 'ora';
import type { Event } from '../core/event.ts';
import type { Report } from '../core/report.ts';
import { PLAIN, type Palette } from '../reporters/console/layout.ts';
import { progressView } from '../reporters/console/progress.ts';
import { renderResults, type ResultsOptions } from '../reporters/console/results.ts';

export interface ConsoleView {
  readonly onEvent: (event: Event) => void;
  readonly onJudged: (report: Report, options?: Pick<ResultsOptions, 'label' | 'alsoExercised'>) => void;
  /** A line that is no event of the run. */
  readonly say: (line: string) => void;
  /** Takes the spinner off the screen, e.g. while a person is asked. */
  readonly pause: () => void;
  readonly stop: () => void;
}

export interface ConsoleOptions {
  readonly stream: NodeJS.WriteStream;
  readonly colour: boolean;
  readonly verbosity: 'quiet' | 'normal' | 'verbose';
}

const WIDEST = 110;
const DEFAULT_WIDTH = 80;

export function openConsoleView(options: ConsoleOptions): ConsoleView {
  const { stream } = options;
  const palette = paletteFor(stream, options.colour);
  const width = Math.min(stream.isTTY ? stream.columns || DEFAULT_WIDTH : DEFAULT_WIDTH, WIDEST);
  const view = progressView({ palette, width, verbose: options.verbosity === 'verbose' });
  const spinner = stream.isTTY ? ora({ stream, discardStdin: false }) : null;
  const quiet = options.verbosity === 'quiet';
  /** While a person is asked, lines wait: they would be written into the prompt. */
  let paused = false;
  const waiting: string[] = [];

  const print = (text: string): void => {
    spinner?.stop();
    stream.write(`${text}\n`);
  };
  return {
    onEvent(event) {
      if (event.kind === 'operator:answered') paused = false;
      waiting.push(...view.add(event));
      if (paused || quiet) return;
      if (waiting.length > 0) print(waiting.splice(0).join('\n'));
      showWaiting(spinner, view.waiting());
    },
    onJudged(report, told = {}) {
      spinner?.stop();
      const verbose = options.verbosity === 'verbose';
      stream.write(renderResults(report, { palette, width, verdictOnly: quiet, verbose, ...told }));
    },
    say: print,
    pause() {
      paused = true;
      spinner?.stop();
    },
    stop: () => void spinner?.stop(),
  };
}

function showWaiting(spinner: Ora | null, text: string | null): void {
  if (spinner === null) return;
  if (text === null) spinner.stop();
  else if (spinner.isSpinning) spinner.text = text;
  else spinner.start(text);
}

function paletteFor(stream: NodeJS.WriteStream, wanted: boolean): Palette {
  const support = stream === process.stderr ? supportsColorStderr : supportsColor;
  if (!wanted || support === false) return PLAIN;
  const chalk: ChalkInstance = new Chalk({ level: support.level });
  return { good: chalk.green, bad: chalk.red, doubt: chalk.yellow, faint: chalk.dim, strong: chalk.bold };
}
