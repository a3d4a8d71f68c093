import type { Handlers } from '@oncebox/inbox'
import { applyPage } from './members.ts'
import type { messages } from './messages.ts'

/** Takes over a page. */
export const handlers = {
  'directory.page': ({ data }, { tx }) => applyPage(tx, data.directory, data.members),
} satisfies Handlers<typeof messages, unknown>
