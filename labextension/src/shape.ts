/**
 * The smallest readers of untrusted JSON: each gives a value of the wanted type, or that type's empty value.
 */

export class ShapeError extends Error {}

export type Fields = Record<string, unknown>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const fields = (value: unknown): Fields => (isObject(value) ? value : {});
export const text = (value: unknown): string => (typeof value === 'string' ? value : '');
export const maybeText = (value: unknown): string | null => (typeof value === 'string' ? value : null);
export const maybeCount = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
export const count = (value: unknown): number => maybeCount(value) ?? 0;

export function list<T>(value: unknown, read: (item: Fields) => T): T[] {
  return Array.isArray(value) ? value.filter(isObject).map(read) : [];
}

/** An address of a page that may be linked to: encrypted, or on this computer; null for anything else. */
export function address(value: unknown): string | null {
  const found = typeof value === 'string' ? URL.parse(value) : null;
  const here = found?.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(found.hostname);
  return found && (found.protocol === 'https:' || here) && !found.search && !found.hash ? found.href : null;
}

export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : [];
}

export function textMap(value: unknown): Record<string, string> {
  const pairs = Object.entries(fields(value)).filter(([, item]) => typeof item !== 'object');
  return Object.fromEntries(pairs.map(([key, item]) => [key, String(item)]));
}

export function root(value: unknown): Fields {
  if (!isObject(value)) {
    throw new ShapeError('The answer of the server is not an object.');
  }
  return value;
}
