import { extractText, getDocumentProxy } from 'unpdf';
import { expect, test } from 'vitest';
import { dummyPdf } from './dummy-pdf.ts';

async function read(pdf: Uint8Array) {
  // As strict as pdf.js can be: without this it would mend a wrong cross-reference table by searching the file.
  const document = await getDocumentProxy(pdf, { verbosity: 0, stopAtErrors: true });
  return extractText(document, { mergePages: true });
}

test.each(['Dummy document 1', 'a (nested (pair)) and \\ a backslash', 'unbalanced )(', '~!@#$%^&*[]{}<>/'])(
  'the text %j can be read back',
  async (text) => {
    expect(await read(dummyPdf(text))).toEqual({ totalPages: 1, text });
  },
);

test('characters that the font encoding does not hold are shown as question marks', async () => {
  expect(await read(dummyPdf('naïve → 🙂'))).toEqual({ totalPages: 1, text: 'na?ve ? ?' });
});

test('the cross-reference table points at the objects, byte for byte', () => {
  const file = new TextDecoder('latin1').decode(dummyPdf('x'));
  const offsets = [...file.matchAll(/^(\d{10}) 00000 n $/gm)].map((match) => Number(match[1]));
  expect(offsets).toHaveLength(5);
  for (const [index, offset] of offsets.entries()) {
    expect(file.slice(offset, offset + 8)).toBe(`${index + 1} 0 obj\n`);
  }
  const start = Number(/startxref\n(\d+)\n%%EOF\n$/.exec(file)?.[1]);
  expect(file.slice(start, start + 5)).toBe('xref\n');
});
