import { pgDatabase } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import type { Pool } from 'pg'
import { messages, type View } from './messages.ts'

const users = 20
const acts = ['quiz', 'raffle', 'sale']
const viewsOf = (place: number, user: number): number => 1 + ((user + place) % 6)

/** Everybody looks at every act a few times, in no order. */
export function allViews(): View[] {
  const views = Array.from({ length: users }, (_, user) =>
    acts.flatMap((act, place) => Array.from({ length: viewsOf(place, user) }, () => ({ act, user }))),
  ).flat()
  return views
    .map((view) => ({ view, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ view }) => view)
}

class WentAway extends Error {}

/**
 * Writes views, each with its message, ten in a transaction. Every fourth transaction is rolled back the first time.
 * Resolves with the number of views that were rolled back.
 */
export async function showPages(pool: Pool, views: readonly View[]): Promise<number> {
  const outbox = createOutbox({ source: 'pages', messages })
  const db = pgDatabase(pool)
  let rolledBack = 0

  const show = (some: readonly View[], wentAway: boolean) =>
    db.transaction(async ({ tx }) => {
      await tx.query(
        `INSERT INTO page_view (act_code, user_id)
         SELECT act, "user" FROM jsonb_to_recordset($1::text::jsonb) AS shown (act text, "user" bigint)`,
        [JSON.stringify(some)],
      )
      await outbox.emitMany(
        tx,
        some.map((data) => ({ type: 'page.viewed', data })),
      )
      if (wentAway) throw new WentAway()
    })

  for (let from = 0; from < views.length; from += 10) {
    const some = views.slice(from, from + 10)
    if (from % 40 === 0) {
      await show(some, true).catch((error) => {
        if (!(error instanceof WentAway)) throw error
        rolledBack += some.length
      })
    }
    await show(some, false)
  }
  return rolledBack
}
