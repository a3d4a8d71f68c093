import { setTimeout as sleep } from 'node:timers/promises'
import { pgDatabase } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import { until } from '@oncebox/testkit'
import type { Pool } from 'pg'
import { messagesOf } from './messages.ts'

const parcels = 100
const everyMs = 100
const atOnce = 10
/** A machine that is busy with other things gets no more than this to do at a time. */
const mostWaiting = 20

/** Scans parcels, about 100 a second, until `signal` aborts; resolves when every scan is handled. */
export async function scanParcels(pool: Pool, topic: string, signal: AbortSignal): Promise<void> {
  const outbox = createOutbox({ source: 'stations', messages: messagesOf(topic) })
  const waiting = async (): Promise<number> => {
    const { rows } = await pool.query<{ waiting: number }>(
      'SELECT ((SELECT count(*) FROM oncebox.outbox) - (SELECT count(DISTINCT message_id) FROM scan))::int AS waiting',
    )
    return rows[0]?.waiting ?? 0
  }
  let scanned = 0
  while (!signal.aborted) {
    await pgDatabase(pool).transaction(({ tx }) =>
      outbox.emitMany(
        tx,
        Array.from({ length: atOnce }, () => {
          const number = scanned++
          return { type: 'parcel.scanned', data: { parcel: number % parcels, station: `station ${number % 7}` } }
        }),
      ),
    )
    do await sleep(everyMs)
    while ((await waiting()) > mostWaiting)
  }
  await until(async () => (await waiting()) === 0, { deadlineMs: 60_000, what: 'every scan to be handled' })
}
