import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer, type MessageHandler } from '@oncebox/inbox'
import type { Subscriber } from '@oncebox/transport'
import type { Pool } from 'pg'
import type { Dice } from './dice.js'
import type { modelPool } from './modelPool.js'
import type { SimulatedProcess } from './process.js'

/** The production consumer, whose handler writes down that it ran. Starts again for as long as the database is away. */
export function startConsumer(parts: {
  readonly pool: ReturnType<typeof modelPool>
  readonly subscriber: Subscriber
  readonly topics: readonly string[]
  readonly process: SimulatedProcess
  readonly dice: Dice
  readonly handlerMs: number
}): void {
  const { pool, subscriber, topics, process, dice, handlerMs } = parts
  const handler: MessageHandler<unknown, unknown> = async ({ id, key }, { tx }) => {
    if (handlerMs > 0) await process.clock.sleep(dice.below(handlerMs))
    await tx.query('INSERT INTO effect (id, key) VALUES ($1, $2)', [id, key])
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
    redrivePollMs: 1_000_000,
  })
  const attempt = (): void => {
    consumer.start().catch(() => process.after(50, attempt))
  }
  attempt()
}
