/** How lines of the console are laid out: a label column, a mark, and text that wraps beside it. */

/** Colours come in from outside, so that the same text goes to a terminal, a file and a test. */
export interface Palette {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly doubt: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly strong: (text: string) => string;
}

export const PLAIN: Palette = {
  good: (text) => text,
  bad: (text) => text,
  doubt: (text) => text,
  faint: (text) => text,
  strong: (text) => text,
};

export type Mark = 'good' | 'bad' | 'doubt' | 'skip' | 'none';

const MARKS: Readonly<Record<Mark, string>> = { good: '✔', bad: '✖', doubt: '⚠', skip: '–', none: ' ' };

/** ` 1 Preflight   `: where the text of a step begins. */
export const LABEL_WIDTH = 15;

export function markOf(mark: Mark, palette: Palette): string {
  switch (mark) {
    case 'good':
      return palette.good(MARKS.good);
    case 'bad':
      return palette.bad(MARKS.bad);
    case 'doubt':
      return palette.doubt(MARKS.doubt);
    case 'skip':
    case 'none':
      return palette.faint(MARKS[mark]);
  }
}

/**
 * Breaks text at spaces, and indents what follows as the line that was broken. A word longer than the line stays whole, so
 * that paths and commands can be copied.
 */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    const [indent = ''] = /^ */.exec(paragraph) ?? [];
    let line = indent;
    for (const word of paragraph.slice(indent.length).split(' ')) {
      if (line !== indent && line.length + 1 + word.length > width) {
        lines.push(line);
        line = indent + word;
      } else {
        line = line === indent ? indent + word : `${line} ${word}`;
      }
    }
    lines.push(line);
  }
  return lines;
}

/** As `wrap`, but a word that is longer than the line is broken too, after one of `/ . : , @ - _ = &` where it has one. */
export function wrapHard(text: string, width: number): readonly string[] {
  return wrap(text, width).flatMap((line) => breakWord(line, width));
}

function breakWord(line: string, width: number): readonly string[] {
  const parts: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const room = rest.slice(0, width);
    const [upToMark = ''] = /^.*[/.:,@_=& -]/.exec(room) ?? [];
    // A break near the beginning of the line would leave it nearly empty.
    const length = upToMark.length > width / 2 ? upToMark.length : width;
    parts.push(rest.slice(0, length).trimEnd());
    rest = rest.slice(length);
  }
  return [...parts, rest];
}

/** One entry beside the label column: mark, text, and the rest of the text under it. */
export function entry(
  mark: Mark,
  text: string,
  palette: Palette,
  width: number,
  style: (text: string) => string = (plain) => plain,
): readonly string[] {
  const [head = '', ...rest] = wrapHard(text, Math.max(20, width - LABEL_WIDTH - 2));
  const indent = ' '.repeat(LABEL_WIDTH + 2);
  return [`${markOf(mark, palette)} ${style(head)}`, ...rest.map((line) => `${indent}${style(line)}`)];
}
