import { expect, test } from 'vitest';
import { quoteIdentifier, quoteLiteral, quoteTable } from './quote.ts';

test.each([
  ['jobs', '"jobs"'],
  ['public.jobs', '"public"."jobs"'],
  ['Public.My Jobs', '"Public"."My Jobs"'],
  ['"a.b".c', '"a.b"."c"'],
  ['"with ""quotes"""."x"', '"with ""quotes"""."x"'],
])('the table %s', (name, sql) => {
  expect(quoteTable(name)).toBe(sql);
});

test('quotes and backslashes end neither a name nor a text', () => {
  expect(quoteIdentifier('a"; drop table x; --')).toBe('"a""; drop table x; --"');
  expect(quoteLiteral(`it's`)).toBe(`'it''s'`);
  expect(quoteLiteral(`\\'; drop`)).toBe(` E'\\\\''; drop'`);
});
