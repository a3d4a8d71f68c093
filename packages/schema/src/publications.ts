import type { Tables } from './tables.js'

/** Messages of one partition that were acknowledged together. */
export interface PublishedBatch {
  readonly lane: number
  readonly topic: string
  readonly partition: number
  /** Of the first and the last of them, as decimal text. */
  readonly firstPosition: string
  readonly lastPosition: string
  /** Of the first of them, as decimal text; the others follow without a gap. Null where there are no offsets. */
  readonly baseOffset: string | null
  readonly count: number
}

/** Writes any number of batches; its one parameter is `publicationsParameter`. Joins the transaction it is run in. */
export function insertPublications({ publication }: Tables): string {
  return `INSERT INTO ${publication} (lane, topic, partition, first_position, last_position, base_offset, count)
SELECT (batch ->> 0)::smallint, batch ->> 1, (batch ->> 2)::integer, (batch ->> 3)::bigint, (batch ->> 4)::bigint,
  (batch ->> 5)::bigint, (batch ->> 6)::integer
FROM json_array_elements($1::text::json) AS batch`
}

/** The batches as one JSON text. */
export function publicationsParameter(batches: readonly PublishedBatch[]): string {
  return JSON.stringify(
    batches.map(({ lane, topic, partition, firstPosition, lastPosition, baseOffset, count }) => {
      return [lane, topic, partition, firstPosition, lastPosition, baseOffset, count]
    }),
  )
}
