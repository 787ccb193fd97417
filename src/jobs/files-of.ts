/** The paths in the text of a files column that contain one of the texts, whatever its form (JSON, array, list). */
export function filesOf(text: string | null, wanted: readonly string[]): readonly string[] {
  if (text === null) return [];
  const paths = stringsOf(text).filter((path) => wanted.some((each) => path.includes(each)));
  return [...new Set(paths)].sort();
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
