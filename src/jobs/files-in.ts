/** The paths with the run's token in the text of a files column, whatever its form (JSON, array, list). */
export function filesIn(text: string | null, token: string): readonly string[] {
  if (text === null) return [];
  return [...new Set(stringsOf(text).filter((path) => path.includes(token)))].sort();
}

function stringsOf(text: string): readonly string[] {
  try {
    return stringsWithin(JSON.parse(text));
  } catch {
    // An array of PostgreSQL's quotes what is not plain, as JSON does; else paths end where lists separate them.
    return Array.from(
      text.matchAll(/"((?:[^"\\]|\\.)*)"|[^\s"',{}[\]]+/g),
      ([all, quoted]) => quoted?.replaceAll(/\\(.)/g, '$1') ?? all,
    );
  }
}

function stringsWithin(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((each) => stringsWithin(each));
}
