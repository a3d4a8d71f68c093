import type { Handlers } from '@oncebox/inbox'
import type { messagesOf } from './messages.ts'

/** `run` is told of every run, outside of the transaction: so that one which was rolled back is known of too. */
export const scanHandlers = (run: (id: string) => unknown) =>
  ({
    'parcel.scanned': async ({ id, time, data }, { tx }) => {
      run(id)
      // Work that takes its time: signals come in the middle of a batch.
      await tx.query('SELECT pg_sleep(0.01)')
      await tx.query('INSERT INTO scan (message_id, parcel, station, emitted_at) VALUES ($1, $2, $3, $4)', [
        id,
        data.parcel,
        data.station,
        time,
      ])
    },
  }) satisfies Handlers<ReturnType<typeof messagesOf>, unknown>
