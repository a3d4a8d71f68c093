import { decodeEnvelope, decodePayload, isOnceboxError, type Tx, type WireRecord } from '@oncebox/core'
import { createOutbox } from '@oncebox/outbox'
import type { PartOptions, PartReport } from '../partReport.js'
import { type Dice, diceOf } from '../simulation/dice.js'
import { junkBytes, junkText, junkValue } from './junk.js'

/** Cases of a full run, and of a slice. */
const casesOf = { full: 1_000_000, slice: 20_000 }
const mostTold = 10

const outbox = createOutbox({ source: 'fuzz', messages: {} })

/** An entry, given junk: resolves, or rejects with an error that has a code. Anything else is a problem. */
const entries: Readonly<Record<string, (dice: Dice) => unknown>> = {
  async emit(dice) {
    let written = 0
    const tx: Tx = {
      query: async () => {
        written++
        return { rows: [] }
      },
    }
    const message = {
      topic: dice.chance(0.7) ? 'orders' : junkText(dice),
      type: dice.chance(0.7) ? 'made' : junkText(dice),
      data: junkValue(dice),
      ...(dice.chance(0.5) ? { key: junkText(dice) } : {}),
      ...(dice.chance(0.5) ? { headers: junkValue(dice) as Record<string, string> } : {}),
      ...(dice.chance(0.2) ? { id: junkText(dice) } : {}),
    }
    try {
      await outbox.emit(tx, message)
    } catch (error) {
      // What is refused is refused before anything is written.
      if (isOnceboxError(error) && written > 0) throw new Error('refused after a statement was sent', { cause: error })
      throw error
    }
  },
  'wire record'(dice) {
    const headers = Array.from({ length: dice.below(6) }, () => {
      const name = dice.pick(['ce_id', 'ce_type', 'ce_time', 'ce_source', 'content-type', 'id', junkText(dice)])
      return [name, dice.chance(0.1) ? null : junkBytes(dice)] as const
    })
    const record: WireRecord = {
      topic: 'orders',
      partition: 0,
      offset: '0',
      timestamp: dice.pick([0, -1, Date.UTC(2026, 0, 1), Number.MAX_SAFE_INTEGER]),
      key: dice.chance(0.3) ? null : junkBytes(dice),
      value: dice.chance(0.2) ? null : junkBytes(dice),
      headers,
    }
    const { contentType } = decodeEnvelope(record)
    decodePayload(record.value, contentType)
  },
}

/** Every entry against junk: nothing but errors with a code may come out. */
export async function fuzz(
  { seed, extent, progress }: PartOptions,
  cases: number = casesOf[extent],
): Promise<PartReport> {
  const begun = performance.now()
  const problems: string[] = []
  let refused = 0
  const names = Object.keys(entries)
  for (let index = 0; index < cases; index++) {
    const name = names[index % names.length] as string
    try {
      await entries[name]?.(diceOf(seed, index))
    } catch (error) {
      if (isOnceboxError(error)) refused++
      else if (problems.length < mostTold) problems.push(`${name}, seed ${seed}, case ${index}: ${String(error)}`)
    }
    if ((index + 1) % 250_000 === 0) progress(`fuzz: ${index + 1} of ${cases} cases`)
  }
  return { part: 'fuzz', figures: { cases, refused }, problems, seconds: (performance.now() - begun) / 1_000 }
}
