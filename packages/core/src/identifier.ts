import { OnceboxError } from './errors.js'

/**
 * Quotes one SQL identifier. Every identifier that comes from a setting passes through here.
 *
 * @throws OnceboxError `INVALID_SETTING` when it is empty, longer than Postgres keeps (63 bytes), or holds a NUL.
 */
export function quoteIdentifier(name: string): string {
  if (name.length === 0 || name.includes('\0') || Buffer.byteLength(name) > 63) {
    throw new OnceboxError('INVALID_SETTING', `SQL identifier ${JSON.stringify(name)} is not usable`, {
      next: 'Use 1 to 63 bytes without a NUL character.',
    })
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** Quotes one SQL string literal, for the few places that take no parameter (DDL, printed migrations). */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted
}
