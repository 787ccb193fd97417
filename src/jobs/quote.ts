/** Names and texts as SQL takes them, whatever they contain. */

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Right under both settings of `standard_conforming_strings`. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? ` E${quoted}` : quoted;
}

/** `schema.table` or `table`, each part plain or quoted. Letters keep their case. */
export function quoteTable(name: string): string {
  const parts = name.match(/"(?:[^"]|"")+"|[^."]+/g) ?? [name];
  return parts.map((part) => (part.startsWith('"') ? part : quoteIdentifier(part))).join('.');
}
