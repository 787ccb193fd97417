/**
 * Makes a PDF of one page that shows `text` in one line: valid by PDF 1.4 (ISO 32000-1, 7.5: header, objects,
 * cross-reference table, trailer) and readable by any library, yet well under a kilobyte.
 *
 * @param text shown as it is; characters outside printable ASCII become `?`
 */
export function dummyPdf(text: string): Uint8Array {
  const shown = text.replaceAll(/[^ -~]/gu, '?').replaceAll(/[\\()]/g, '\\$&');
  const content = `BT /F1 12 Tf 72 720 Td (${shown}) Tj ET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
  ];

  let file = '%PDF-1.4\n';
  // An entry is 20 bytes, its line end (space and newline) included. All is ASCII: a character is a byte.
  let table = `0000000000 65535 f \n`;
  for (const [index, object] of objects.entries()) {
    table += `${String(file.length).padStart(10, '0')} 00000 n \n`;
    file += `${index + 1} 0 obj\n${object}\nendobj\n`;
  }
  const size = objects.length + 1;
  const tail = `trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${file.length}\n%%EOF\n`;
  return new TextEncoder().encode(`${file}xref\n0 ${size}\n${table}${tail}`);
}
