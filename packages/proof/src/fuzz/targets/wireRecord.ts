import { decodeEnvelope, decodePayload, type WireRecord } from '@oncebox/core'
import type { Dice } from '../../simulation/dice.js'
import { junkBytes, junkText } from '../junk.js'
import { outcomeOf } from '../outcome.js'
import { plainTarget, type Target } from '../target.js'

/** What decodes a record that came from Kafka: its headers, then its value. */
export const wireRecord: Target = {
  name: 'wire record',
  cases: { full: 350_000, slice: 8_000 },
  atOnce: 1_000,
  open: plainTarget(make, (record) =>
    outcomeOf(() => {
      const { contentType } = decodeEnvelope(record)
      decodePayload(record.value, contentType)
    }),
  ),
}

function make(dice: Dice): WireRecord {
  return {
    topic: 'orders',
    partition: 0,
    offset: '0',
    timestamp: dice.pick([0, -1, Date.UTC(2026, 0, 1), Number.MAX_SAFE_INTEGER]),
    key: dice.chance(0.3) ? null : junkBytes(dice),
    value: dice.chance(0.2) ? null : junkBytes(dice),
    headers: Array.from({ length: dice.below(6) }, () => {
      const name = dice.pick(['ce_id', 'ce_type', 'ce_time', 'ce_source', 'content-type', 'id', junkText(dice)])
      return [name, dice.chance(0.1) ? null : junkBytes(dice)] as const
    }),
  }
}
