import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer, type MessageHandler } from '@oncebox/inbox'
import type { Subscriber } from '@oncebox/transport'
import type { Pool } from 'pg'
import type { Dice } from './dice.js'
import type { modelPool } from './modelPool.js'
import type { SimulatedProcess } from './process.js'
import type { PoisonPlan } from './schedule.js'

/** The production consumer, whose handler writes down that it ran. Starts again for as long as the database is away. */
export function startConsumer(parts: {
  readonly pool: ReturnType<typeof modelPool>
  readonly subscriber: Subscriber
  readonly topics: readonly string[]
  readonly process: SimulatedProcess
  readonly dice: Dice
  readonly handlerMs: number
  readonly poison: PoisonPlan['policy']
  /** What the handler does about a message at this time, if it does not do its work. */
  readonly trouble: (id: string) => 'fails' | 'kills' | null
  /** The process ends at once. */
  readonly die: () => void
  /** The handler catches the errors of its statements. */
  readonly swallows: boolean
}): void {
  const { pool, subscriber, topics, process, dice, handlerMs, swallows, poison, trouble, die } = parts
  // Nobody hears from a dead process.
  const dies = (): Promise<void> => {
    die()
    return new Promise(() => undefined)
  }
  const handler: MessageHandler<unknown, unknown> = async ({ id, key }, { tx }) => {
    if (handlerMs > 0) await process.clock.sleep(dice.below(handlerMs))
    const planned = trouble(id)
    if (planned === 'kills') return dies()
    if (planned === 'fails') throw new Error('the handler fails, as planned')
    const effect = tx.query('INSERT INTO effect (id, key) VALUES ($1, $2)', [id, key])
    await (swallows ? effect.catch(() => undefined) : effect)
  }
  const consumer = createConsumer({
    // The model has what pgDatabase uses of a pool.
    db: pgDatabase(pool as unknown as Pool),
    subscriber,
    group: 'group',
    topics,
    messages: {},
    handlers: { '*': handler },
    clock: process.clock,
    random: dice.next,
    poison,
    attempts: 3,
    backoff: { minMs: 20, maxMs: 100 },
    // Where nothing is set aside, nobody needs to look for it.
    redrivePollMs: poison === 'block' ? 1_000_000 : 300,
  })
  const attempt = (): void => {
    consumer.start().catch(() => process.after(50, attempt))
  }
  attempt()
}
