/** The panel that tells a person what to do, and the wait for their answer. */
import { createPromptModule } from 'inquirer';
import type { Operator, OperatorPanel } from '../verification/context.ts';
import type { ConsoleView } from './console-view.ts';
import type { Interruption } from './interruption.ts';

const RULE = '='.repeat(60);

export function terminalOperator(view: ConsoleView, interruption: Interruption): Operator {
  return {
    async ask(panel, signal, { gone, restarted }) {
      view.pause();
      view.say(panelText(panel));
      try {
        let answer = panel.gone ? null : await askForEnter(signal, gone);
        if (answer === null) {
          if (!panel.gone) view.say(goneText(panel));
          answer = (await askForEnter(signal, restarted)) ?? '';
        }
        return answer.trim().toLowerCase() === 'q' ? 'gave-up' : 'done';
      } catch (error) {
        signal.throwIfAborted();
        // Ctrl-C is a key to the prompt; to us it is the signal that it stands for.
        if (error instanceof Error && error.name === 'ExitPromptError') {
          interruption.interrupt();
          signal.throwIfAborted();
        }
        throw error;
      }
    },
  };
}

/** @returns what was typed; `null` when what is waited for was seen before anything was */
async function askForEnter(signal: AbortSignal, seen: AbortSignal): Promise<string | null> {
  const question = createPromptModule()([
    {
      type: 'input',
      name: 'answer',
      message: 'After restarting, press Enter to continue (q and Enter gives up)',
    },
  ]);
  const either = AbortSignal.any([signal, seen]);
  const closed = new Promise<null>((resolve) => {
    const close = (): void => {
      question.ui.close();
      resolve(null);
    };
    if (either.aborted) close();
    else either.addEventListener('abort', close, { once: true });
  });
  const typed = question.then(({ answer }) => String(answer));
  // A prompt that is closed may reject later; by then it is no longer waited for.
  typed.catch(() => undefined);
  const answer = await Promise.race([typed, closed]);
  signal.throwIfAborted();
  if (answer === null) process.stdout.write('\n');
  return answer;
}

/** What is left to do when the old worker has gone. */
export function goneText({ worker }: OperatorPanel): string {
  const who = worker === null ? 'the old worker' : `pid ${worker.pid}`;
  return `Seen: ${who} is gone. Now start the worker again.`;
}

/** Plain text of at most 80 columns, but for commands, so that it can be read, copied and tested. */
export function panelText(panel: OperatorPanel): string {
  const start = panel.startCommand ?? panel.worker?.command ?? 'the command you started it with';
  const steps = panel.gone
    ? ['In another terminal, start the worker again:', `     ${start}`]
    : ['Steps, in another terminal:', ...stopSteps(panel), '  3. Start the worker again:', `     ${start}`];
  return [
    '',
    RULE,
    `ACTION REQUIRED: ${demandOf(panel)}`,
    RULE,
    '',
    ...(panel.refuted === null ? [] : [`Not accepted: ${panel.refuted}.`, '']),
    ...steps,
    ...(panel.gone ? [] : ['', timeLeft(panel)]),
    RULE,
  ].join('\n');
}

function demandOf({ gone, polite }: OperatorPanel): string {
  if (gone) return 'Start the worker again';
  return `${polite ? 'Stop' : 'Kill'} and restart the worker now`;
}

function stopSteps({ worker, polite, held }: OperatorPanel): readonly string[] {
  const kill = polite ? 'kill' : 'kill -9';
  const why = held
    ? 'plain kill and pkill are polite: it would wait for its job'
    : 'plain kill and pkill are polite: they are no crash';
  const stop = polite ? 'Stop it' : `Kill it (${why})`;
  return worker === null
    ? [
        '  1. Find the process of the worker that holds the job:',
        '     ps aux | grep worker',
        `  2. ${stop}:`,
        `     ${kill} <pid>`,
      ]
    : [
        '  1. The worker that holds the job is',
        `     pid ${worker.pid}: ${worker.command}`,
        `  2. ${stop}:`,
        `     ${kill} ${worker.pid}`,
      ];
}

function timeLeft({ held }: OperatorPanel): string {
  return held
    ? 'Take your time: the job is held, it cannot end before the worker is gone.\nIt goes on by itself as soon as the new worker is seen.'
    : 'Be quick: the job is not held and may end before the worker is gone.';
}
