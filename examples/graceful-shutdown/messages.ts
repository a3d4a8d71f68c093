import { defineMessages } from '@oncebox/core'
import { z } from 'zod'

export const group = 'scans'

/** `topic` is a parameter so that runs can share a Kafka. */
export const messagesOf = (topic: string) =>
  defineMessages({
    'parcel.scanned': {
      topic,
      schema: z.object({ parcel: z.int(), station: z.string() }),
      key: ({ parcel }) => `${parcel}`,
    },
  })
