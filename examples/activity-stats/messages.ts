import { defineMessages } from '@oncebox/core'
import { z } from 'zod'

const PageViewed = z.object({ act: z.string(), user: z.int() })
export type View = z.infer<typeof PageViewed>

export const group = 'statistics'
export const topic = 'pages'

// No key: the order of views says nothing, and without one the copies of a message are handled side by side.
export const messages = defineMessages({ 'page.viewed': { topic, schema: PageViewed } })
