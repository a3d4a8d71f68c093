import type { Unread } from '../unread.js'
import type { Series } from './metricList.js'

/** The sum over the partitions of each group and topic: a topic may have thousands. Those without an end are left out. Pure. */
export function unreadSeries(unread: readonly Unread[]): Series[] {
  const sums = new Map<string, { labels: { group: string; topic: string }; value: number }>()
  for (const { group, topic, messages } of unread) {
    if (messages === null) continue
    const id = JSON.stringify([group, topic])
    const sum = sums.get(id)
    if (sum === undefined) sums.set(id, { labels: { group, topic }, value: messages })
    else sum.value += messages
  }
  return [...sums.values()]
}
