/** How a mistake is told: what is wrong, then what to do, on standard error. On a terminal, broken at the spaces. */
import { wrap } from '../reporters/console/layout.ts';

const WIDEST = 110;
const INDENT = '       ';

/** @param remedy told under it, indented */
export function complain(message: string, remedy: string | undefined): void {
  const lines = [...fit(`error: ${message}`), ...(remedy === undefined ? [] : fit(remedy, INDENT))];
  console.error(lines.join('\n'));
}

function fit(text: string, indent = ''): readonly string[] {
  const { isTTY, columns } = process.stderr;
  if (!isTTY) return [`${indent}${text}`];
  const width = Math.min(columns, WIDEST);
  return wrap(text, width - INDENT.length).map((line, index) => (index === 0 ? indent : INDENT) + line);
}
