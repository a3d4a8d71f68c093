import { InvalidArgumentError } from 'commander'
import { age } from './deadLetterFlags.js'

/** Parses `2h` (so long ago) or `2026-11-25T18:00:00Z` to milliseconds since the Unix epoch. */
export function moment(text: string): number {
  if (/^\d{4}-\d\d-\d\dT/.test(text)) {
    const time = Date.parse(text)
    if (Number.isFinite(time)) return time
  }
  try {
    return Date.now() - age(text)
  } catch {
    throw new InvalidArgumentError('How long ago, such as 30s, 15m, 2h or 7d, or a time such as 2026-11-25T18:00:00Z.')
  }
}
