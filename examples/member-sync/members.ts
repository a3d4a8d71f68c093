import type { Tx } from '@oncebox/core'
import { upsert } from '@oncebox/guards'
import type { Member } from './messages.ts'

/**
 * Takes over what is newer in a page than what is here. In the order of the members' numbers, so that two who apply
 * pages do not wait for each other in a circle.
 */
export async function applyPage(tx: Tx, directory: string, page: readonly Member[]): Promise<void> {
  for (const { number, name, left, revision } of [...page].sort((a, b) => a.number - b.number)) {
    await upsert(tx, {
      table: 'member',
      key: { directory, number },
      insert: { name, has_left: left, revision },
      onlyIfNewer: 'revision',
    })
  }
}
