import type { Message, Tx } from '@oncebox/core'
import { increment, upsert } from '@oncebox/guards'
import { batch, type Handlers } from '@oncebox/inbox'
import type { messages, View } from './messages.ts'

export const handlers = {
  'page.viewed': batch((viewed: readonly Message<View>[], { tx }) =>
    count(
      viewed.map(({ data }) => data),
      tx,
    ),
  ),
} satisfies Handlers<typeof messages, unknown>

/**
 * Counts the views of a batch, which holds only messages that are new to the group. Each row is written once, and rows in
 * the order of their keys, so that two consumers never wait for each other in a circle.
 */
async function count(views: readonly View[], tx: Tx): Promise<void> {
  const counts = new Map<string, { view: View; views: number }>()
  for (const view of views) {
    const key = JSON.stringify([view.act, view.user])
    counts.set(key, { view, views: (counts.get(key)?.views ?? 0) + 1 })
  }
  for (const [, { view, views }] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await upsert(tx, {
      table: 'activity_stats',
      key: { act_code: view.act, user_id: view.user },
      insert: { views },
      update: { views: increment(views) },
    })
  }
}
