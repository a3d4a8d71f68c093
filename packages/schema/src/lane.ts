/**
 * SQL for the lane of a message, 0 to `lanes` − 1: a hash of its key; all messages without a key are in one lane. `key`: SQL of
 * the key; `lanes`: a number, or SQL of one. The hash is not promised to stay the same between major versions of Postgres: lanes are shared out anew then,
 * which needs no more than `changeLanes` does.
 */
export function laneOfKey(key: string, lanes: number | string): string {
  return `((hashtextextended(coalesce(${key}, ''), 0) & 9223372036854775807) % ${lanes})`
}
