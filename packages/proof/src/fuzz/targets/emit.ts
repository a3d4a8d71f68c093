import type { Tx } from '@oncebox/core'
import { createOutbox, type OutgoingMessage } from '@oncebox/outbox'
import type { Dice } from '../../simulation/dice.js'
import { junkText, junkValue } from '../junk.js'
import { outcomeOf } from '../outcome.js'
import { type Outcome, plainTarget, type Target } from '../target.js'

/** `emit` in TypeScript: what is refused is refused before a statement is sent. */
export const emit: Target = {
  name: 'emit',
  cases: { full: 400_000, slice: 8_000 },
  atOnce: 1_000,
  open: plainTarget(make, attempt),
}

const outbox = createOutbox({ source: 'fuzz', messages: {} })

function make(dice: Dice): OutgoingMessage {
  return {
    topic: dice.chance(0.7) ? 'orders' : junkText(dice),
    type: dice.chance(0.7) ? 'made' : junkText(dice),
    data: junkValue(dice),
    ...(dice.chance(0.5) ? { key: junkText(dice) } : {}),
    ...(dice.chance(0.5) ? { headers: junkValue(dice) as Record<string, string> } : {}),
    ...(dice.chance(0.2) ? { id: junkText(dice) } : {}),
  }
}

async function attempt(message: OutgoingMessage): Promise<Outcome> {
  let written = 0
  const tx: Tx = {
    query: async () => {
      written++
      return { rows: [] }
    },
  }
  const outcome = await outcomeOf(() => outbox.emit(tx, message))
  if (outcome === 'refused' && written > 0) return { broken: 'refused after a statement was sent' }
  return outcome
}
