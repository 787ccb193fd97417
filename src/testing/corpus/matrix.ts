/** The detection matrix as Markdown: what each worker was found guilty of, beside what a hand-written script would have said. */
import { unseenIn } from './judge-row.ts';
import { isCorrect, type CorpusRow, type TargetKind } from './row.ts';
import type { RowResult } from './run-row.ts';
import { TARGETS, type CorpusTarget } from './targets.ts';
import { WAITING } from './waiting.ts';

type Family = CorpusTarget['family'];

const FAMILIES: Readonly<Record<Family, string>> = {
  table: 'a job table that is its own queue',
  bullmq: 'BullMQ',
  celery: 'Celery',
};

/** @param results one for each row and each way to observe */
export function renderMatrix(results: readonly RowResult[]): string {
  return [
    '# Detection',
    '',
    'Made by `npm run corpus`. Every worker is the reference worker of its queue with one thing wrong, or a correct one of',
    'another style; each run is a real one, with a real kill. A cell gives the verdict, the criteria that failed and the',
    'diagnoses, the nearest one first. *Under polling* is the same row without the trigger (`--observe poll`): it may be',
    'unable to see what happened, and then says so: of the run (inconclusive), or of the criteria that it leaves',
    'unjudged. It may never say that one is kept which is not, nor call a sound worker broken. The last column is what',
    'the checks of a hand-written script (the row is looked at once a second after the restart: is it there, has it ended',
    'in time?) would have said of the run with the trigger.',
    '',
    ...summary(results),
    '',
    ...(Object.keys(FAMILIES) as Family[]).flatMap((family) => {
      const own = results.filter(({ row }) => TARGETS[row.target].family === family);
      return [
        ...section(`Broken workers of ${FAMILIES[family]}`, own, (row) => !isCorrect(row)),
        ...section(`Correct workers of ${FAMILIES[family]}`, own, isCorrect),
      ];
    }),
    '## Not shown yet on BullMQ',
    '',
    'Kinds of defect that a BullMQ worker can have and that none of the scenarios of this version brings to light.',
    '',
    '| defect | needs | why |',
    '|---|---|---|',
    ...WAITING.map(({ defect, needs, why }) => tableLine([`\`${defect}\``, needs, why])),
    '',
  ].join('\n');
}

function summary(results: readonly RowResult[]): readonly string[] {
  const seen = results.filter(({ observed }) => observed === 'trigger');
  const polled = results.filter(({ observed }) => observed === 'poll');
  const broken = seen.filter(({ row }) => !isCorrect(row));
  const correct = seen.filter(({ row }) => isCorrect(row));
  const caught = broken.filter(({ misses }) => misses.length === 0).length;
  const byScript = broken.filter(({ script }) => script === 'row gone' || script === 'not ended').length;
  const wrong = correct.filter(({ misses }) => misses.length > 0).length;
  const pollBroken = polled.filter(({ row }) => !isCorrect(row));
  const count = (verdict: string): number =>
    pollBroken.filter(({ report }) => report.verdict === verdict).length;
  const falsePasses = pollBroken.filter(
    ({ report, misses }) => report.verdict === 'passed' && misses.length > 0,
  );
  const falseAlarms = polled.filter(({ row, misses }) => isCorrect(row) && misses.length > 0).length;
  return [
    `- ${caught} of ${broken.length} runs of broken workers told as they should be, ${byScript} of them by the script's checks; ${wrong} of ${correct.length} runs of correct workers misjudged.`,
    ...(polled.length === 0
      ? []
      : [
          `- Under polling: of ${pollBroken.length} runs of broken workers ${count('failed')} failed, ${count('inconclusive')} inconclusive, ${count('passed') - falsePasses.length} passed with what they break left unjudged, ${falsePasses.length} falsely passed; ${falseAlarms} of ${polled.length - pollBroken.length} runs of correct workers misjudged.`,
        ]),
  ];
}

function section(
  title: string,
  results: readonly RowResult[],
  belongs: (row: CorpusRow) => boolean,
): readonly string[] {
  const own = results.filter(({ row }) => belongs(row));
  if (own.length === 0) return [];
  const names = [...new Set(own.map(({ row }) => row.name))];
  const targets = [...new Set(results.map(({ row }) => row.target))];
  const heads = [
    'worker',
    'scenario',
    'strike',
    ...targets.map((target) => TARGETS[target].title),
    'under polling',
    'a script',
  ];
  return [
    `## ${title}`,
    '',
    tableLine(heads),
    `|${'---|'.repeat(heads.length)}`,
    ...names.map((name) =>
      renderLine(
        own.filter(({ row }) => row.name === name),
        targets,
      ),
    ),
    '',
  ];
}

function renderLine(line: readonly RowResult[], targets: readonly TargetKind[]): string {
  const row = line[0]?.row;
  if (row === undefined) return '';
  const of = (observed: string) => line.filter((result) => result.observed === observed);
  return tableLine([
    `\`${row.name}\`: ${row.note}`,
    row.scenario,
    row.strikeAt,
    ...targets.map((target) => cell(of('trigger').find((result) => result.row.target === target))),
    alike(of('poll'), cell),
    alike(of('trigger'), ({ script }) => script),
  ]);
}

/** What is the same on every backend is said once. */
function alike(results: readonly RowResult[], say: (result: RowResult) => string): string {
  const said = new Set(results.map(say));
  return said.size <= 1
    ? ([...said][0] ?? '')
    : results.map((result) => `${TARGETS[result.row.target].title}: ${say(result)}`).join('; ');
}

function cell(result: RowResult | undefined): string {
  if (result === undefined) return 'not run';
  const { row, report, failed, diagnoses, misses } = result;
  const found = [
    ...(failed.length === 0 ? [] : [failed.join(', ')]),
    ...(diagnoses.length === 0 ? [] : [`→ ${orderDiagnoses(row, diagnoses).join(', ')}`]),
  ].join(' ');
  const leftOut = isCorrect(row) || report.verdict !== 'passed' ? [] : unseenIn(report);
  const told = leftOut.length === 0 ? report.verdict : `passed, not judged: ${leftOut.join(', ')}`;
  const verdict = misses.length === 0 ? told : `**${report.verdict}** (${misses.join('; ')})`;
  return found === '' ? verdict : `${verdict}: ${found}`;
}

/** The expected one first: the others say what else follows from it. */
function orderDiagnoses({ expect }: CorpusRow, diagnoses: readonly string[]): readonly string[] {
  return [...diagnoses].sort((a, b) => Number(b === expect.diagnosis) - Number(a === expect.diagnosis));
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.map((text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}
