/** Bytes of a value, as W3C Trace Context has it. */
export const valueLength = 55
const quote = 0x22
const backslash = 0x5c
const needle = Buffer.from('"traceparent": "')

/**
 * The `traceparent` of a row of which the trace is sampled, out of its headers as `jsonb` writes them; undefined for all
 * others. What is no valid one is for the reader to refuse. `from`, `to`: the JSON text in `row`.
 */
export function sampledTraceparent(row: Buffer, from: number, to: number): string | undefined {
  const at = valueAt(row, from, to)
  const end = at + valueLength
  if (at === -1 || end >= to || row[end] !== quote || !isOdd(row[end - 1] as number)) return undefined
  return row.toString('latin1', at, end)
}

/** Where the value begins, -1 without one. In a string inside the JSON the quotes of the needle would be escaped. */
function valueAt(row: Buffer, from: number, to: number): number {
  // Most rows have no other header, and then it stands in front.
  const first = from + 1
  if (startsAt(row, first)) return first + needle.length
  const found = row.subarray(from, to).indexOf(needle)
  return found === -1 ? -1 : from + found + needle.length
}

/** A loop, because a call out of JavaScript costs more than these few bytes. */
function startsAt(row: Buffer, at: number): boolean {
  for (let index = 0; index < needle.length; index++) if (row[at + index] !== needle[index]) return false
  return true
}

/** Whether a hexadecimal digit is: the lowest of the flags says that the trace is sampled. */
function isOdd(digit: number): boolean {
  return (digit & 1) === (digit > 0x39 ? 0 : 1)
}

/**
 * Where the value of a `traceparent` begins that is the only header of a row, as it is in most services that trace: then
 * nothing has to be parsed. -1 for all other headers. `from`, `to`: the JSON text in `row`.
 */
export function onlyTraceparent(row: Buffer, from: number, to: number): number {
  const at = from + 1 + needle.length
  const end = at + valueLength
  if (end + 2 !== to || row[end] !== quote || !startsAt(row, from + 1)) return -1
  for (let index = at; index < end; index++) if (row[index] === quote || row[index] === backslash) return -1
  return at
}
