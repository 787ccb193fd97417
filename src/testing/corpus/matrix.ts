/** The detection matrix as Markdown: what each worker was found guilty of, beside what a hand-written script would have said. */
import { isCorrect, type CorpusRow } from './row.ts';
import type { RowResult } from './run-row.ts';

export function renderMatrix(results: readonly RowResult[]): string {
  const broken = results.filter(({ row }) => !isCorrect(row));
  const correct = results.filter(({ row }) => isCorrect(row));
  return [
    '# Detection',
    '',
    'Made by `npm run corpus`. Every worker is the reference worker of its queue with one thing wrong, or a correct one of',
    'another style; each run is a real one, with a real kill. The last column is what the checks of a hand-written script',
    '(the row is looked at once a second after the restart: is it there, has it ended in time?) would have said of the same run.',
    '',
    summary(broken, correct),
    '',
    '## Broken workers',
    '',
    ...table(broken),
    '',
    '## Correct workers',
    '',
    ...table(correct),
    '',
  ].join('\n');
}

function summary(broken: readonly RowResult[], correct: readonly RowResult[]): string {
  const caught = broken.filter(({ misses }) => misses.length === 0).length;
  const byScript = broken.filter(({ script }) => script === 'row gone' || script === 'not ended').length;
  const wrong = correct.filter(({ misses }) => misses.length > 0).length;
  return `${caught} of ${broken.length} defects told as they should be, ${byScript} of them by the script's checks; ${wrong} of ${correct.length} runs of correct workers misjudged.`;
}

function table(results: readonly RowResult[]): readonly string[] {
  return [
    '| worker | queue | scenario | strike | verdict | failing criteria | diagnosis | a script |',
    '|---|---|---|---|---|---|---|---|',
    ...results.map(line),
  ];
}

function line(result: RowResult): string {
  const { row, report, failed, diagnoses, script, misses } = result;
  const cells = [
    `\`${row.name}\`: ${row.note}`,
    row.target,
    row.scenario,
    row.strikeAt,
    misses.length === 0 ? report.verdict : `**${report.verdict}** (${misses.join('; ')})`,
    failed.join(', '),
    orderDiagnoses(row, diagnoses).join(', '),
    script,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

/** The expected one first: the others say what else follows from it. */
function orderDiagnoses({ expect }: CorpusRow, diagnoses: readonly string[]): readonly string[] {
  return [...diagnoses].sort((a, b) => Number(b === expect.diagnosis) - Number(a === expect.diagnosis));
}
