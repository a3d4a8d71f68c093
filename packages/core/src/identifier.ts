import { OnceboxError } from './errors.js'

/**
 * Quotes one SQL identifier. Every identifier that comes from a setting passes through here.
 *
 * @throws OnceboxError `INVALID_SETTING` when it is empty, longer than Postgres keeps (63 bytes), or holds a NUL or a
 *   lone surrogate.
 */
export function quoteIdentifier(name: string): string {
  if (name.length === 0 || name.includes('\0') || !name.isWellFormed() || Buffer.byteLength(name) > 63) {
    throw new OnceboxError('INVALID_SETTING', `SQL identifier ${JSON.stringify(name)} is not usable`, {
      next: 'Use 1 to 63 bytes of UTF-8 without a NUL character.',
    })
  }
  return `"${name.replaceAll('"', '""')}"`
}

/**
 * Quotes one SQL string literal, for the few places that take no parameter (DDL, printed migrations), whatever
 * `standard_conforming_strings` says.
 *
 * @throws OnceboxError `INVALID_SETTING` when it holds a NUL, which no Postgres text can.
 */
export function quoteLiteral(text: string): string {
  if (text.includes('\0')) {
    throw new OnceboxError('INVALID_SETTING', 'A text for SQL holds a NUL character', { next: 'Remove it.' })
  }
  const quoted = `'${text.replaceAll("'", "''")}'`
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted
}
