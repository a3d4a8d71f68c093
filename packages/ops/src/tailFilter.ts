import { laneOfKey, tables } from '@oncebox/schema'

/** Which messages are shown: those for which everything given here is true. */
export interface TailFilter {
  readonly topic?: string
  readonly key?: string
  readonly type?: string
  /** Of this lane, by the number of lanes there are now. */
  readonly lane?: number
}

/** SQL over columns topic, key and type, with parameters numbered from `first` on, and their values. */
export interface TailCondition {
  readonly sql: string
  readonly values: readonly unknown[]
  /** True when it lets everything through. */
  readonly open: boolean
}

/** Pure. */
export function tailCondition(filter: TailFilter, schema: string, first: number): TailCondition {
  const parts: string[] = []
  const values: unknown[] = []
  const parameter = (value: unknown) => {
    values.push(value)
    return `$${first + values.length - 1}`
  }
  for (const column of ['topic', 'key', 'type'] as const) {
    const value = filter[column]
    if (value !== undefined) parts.push(`${column} = ${parameter(value)}::text`)
  }
  if (filter.lane !== undefined) {
    const lanes = `(SELECT count(*) FROM ${tables(schema).relayCursor})`
    parts.push(`${laneOfKey('key', lanes)} = ${parameter(String(filter.lane))}::text::int`)
  }
  return { sql: parts.length === 0 ? 'true' : parts.join(' AND '), values, open: parts.length === 0 }
}
