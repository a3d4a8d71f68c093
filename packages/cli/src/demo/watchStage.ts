import type { Logger } from '@oncebox/core'
import { type Annotation, loopbackAccess } from '@oncebox/dashboard'
import pg from 'pg'
import { Closers } from '../command/closers.js'
import { serveDashboard } from '../command/serveDashboard.js'
import type { Stage } from './stage.js'

/** A dashboard over the databases of the demo. */
export interface WatchedStage extends AsyncDisposable {
  readonly url: string
}

/** On loopback, at any port that is free; whoever sits here may do everything, for there is nothing to lose. */
export async function watchStage(
  { shopUrl, billingUrl, transport }: Stage,
  { logger, annotations }: { readonly logger: Logger; readonly annotations: () => readonly Annotation[] },
): Promise<WatchedStage> {
  await using opened = new Closers()
  const open = (connectionString: string): pg.Pool => {
    const pool = new pg.Pool({ connectionString, max: 3 })
    opened.defer(() => pool.end())
    return pool
  }
  const pool = open(shopUrl)
  const billing = open(billingUrl)
  const inspector = transport.kind === 'kafka' ? await inspect(transport.brokers) : null
  opened.defer(() => inspector?.close())
  const access = loopbackAccess('whoever watches the demo', { mayAct: true, maySeePayloads: true })
  const address = { host: '127.0.0.1', port: 0 }
  const served = await serveDashboard(
    { pool, consumers: { billing }, access, actions: true, inspector, annotations, logger },
    address,
  )
  opened.defer(() => served.close())
  const kept = opened.move()
  return { url: served.url, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() }
}

async function inspect(brokers: readonly string[]) {
  const { kafkaInspector } = await import('@oncebox/kafka')
  return kafkaInspector({ brokers })
}
