/** Reading what an API answered: JSON, picked apart by JSON path, and the words of a refusal. */
import { query, type JsonValue } from 'jsonpath-rfc9535';

/** A complete answer. */
export interface Answer {
  /** The call, for people: `POST /extraction/bulk`. */
  readonly call: string;
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
  /** Where it redirects to; `null`: it does not. */
  readonly location: URL | null;
}

/** The answer as JSON; `undefined`: it is none. */
export function jsonOf(answer: Answer): JsonValue | undefined {
  try {
    return JSON.parse(answer.text) as JsonValue;
  } catch {
    return undefined;
  }
}

/** Every value at a JSON path. */
export function valuesAt(json: JsonValue, path: string): readonly JsonValue[] {
  return query(json, path);
}

/** The first value at a JSON path; `undefined`: there is nothing. */
export function valueAt(json: JsonValue, path: string): JsonValue | undefined {
  return query(json, path)[0];
}

/** A value that can be an id or a token: a text or a number. `null` for any other. */
export function scalarText(value: JsonValue | undefined): string | null {
  if (typeof value === 'string') return value === '' ? null : value;
  return typeof value === 'number' ? String(value) : null;
}

/** What a JSON value has, by its keys alone: values may be secrets. */
export function describeShape(json: JsonValue): string {
  if (Array.isArray(json)) return `a list of ${json.length}`;
  if (json === null || typeof json !== 'object') return `a single ${json === null ? 'null' : typeof json}`;
  const keys = Object.keys(json);
  return keys.length === 0 ? 'no keys' : `the keys ${keys.slice(0, 12).join(', ')}`;
}

const LONGEST_DETAIL = 300;

/**
 * What an API says of a refusal: FastAPI's `detail` (a text, or a list of `{ loc, msg }`), `message`, `error` or
 * `title` of others. Empty where it says nothing that a person could read.
 */
export function detailOf(answer: Answer): string {
  const json = jsonOf(answer);
  if (json === undefined || json === null || typeof json !== 'object' || Array.isArray(json)) return '';
  for (const key of ['detail', 'message', 'error', 'title']) {
    const text = sentenceOf(json[key]);
    if (text !== '') return text.length > LONGEST_DETAIL ? `${text.slice(0, LONGEST_DETAIL)}…` : text;
  }
  return '';
}

function sentenceOf(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(sentenceOf).filter(Boolean).join('; ');
  if (value === null || typeof value !== 'object') return '';
  const { loc, msg, message } = value;
  const words = typeof msg === 'string' ? msg : typeof message === 'string' ? message : '';
  const where = Array.isArray(loc)
    ? loc.flatMap((part) => (part === 'body' ? [] : (scalarText(part) ?? []))).join('.')
    : '';
  return where === '' ? words : `${where}: ${words}`;
}

/** A page's title, to tell which page it is; empty where there is none. */
export function titleOf(text: string): string {
  return /<title[^>]*>\s*([^<]{1,100})/i.exec(text)?.[1]?.trim() ?? '';
}
