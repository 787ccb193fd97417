/** The paths in a files column that contain one of the texts, whatever the column's form (JSON, array, list). */
export function filesOf(files: string | null, texts: readonly string[]): readonly string[] {
  if (files === null) return [];
  const paths = files.match(/[^\s"',{}[\]]+/g) ?? [];
  return paths.filter((path) => texts.some((text) => path.includes(text))).sort();
}
