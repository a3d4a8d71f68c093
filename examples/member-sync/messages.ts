import { defineMessages } from '@oncebox/core'
import { z } from 'zod'

/** A member as the directory knows it; `revision` rises with every change of this member. */
const Member = z.object({ number: z.int(), name: z.string(), left: z.boolean(), revision: z.int() })
export type Member = z.infer<typeof Member>

export const group = 'members'
export const topic = 'directory'

// No key: pages overlap in any way, so there is no order of theirs that would help.
export const messages = defineMessages({
  'directory.page': { topic, schema: z.object({ directory: z.string(), members: z.array(Member) }) },
})
