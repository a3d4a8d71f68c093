import { OnceboxError } from '@oncebox/core'

/** How a service of the demo reaches the others; handed to its process as one argument. */
export interface ServiceSetup {
  readonly shopUrl: string
  readonly billingUrl: string
  readonly transport: TransportChoice
  readonly topic: string
  readonly group: string
  readonly messages: number
  /** About how long the order service takes to place them all, in seconds. */
  readonly placeWithinSeconds: number
  readonly seed: number
  /** How often this service was started before: another one makes other choices. */
  readonly incarnation: number
  readonly rollbackShare: number
  readonly lostAckShare: number
  /** Every delivery's order id, a line each. */
  readonly deliveryLog: string
}

export type TransportChoice =
  | { readonly kind: 'pg-boss'; readonly url: string }
  | { readonly kind: 'kafka'; readonly brokers: readonly string[] }

/** What a service tells on a line of its standard output. Counts are of this process, from its start. */
export interface ServiceReport {
  readonly event: 'ready' | 'progress' | 'done'
  /** Order service: orders committed; relay: records acked; billing: deliveries begun. */
  readonly count: number
  /** Order service: transactions rolled back; relay: acknowledgements lost. */
  readonly mishaps?: number
}

/** The setup this process was given. @throws OnceboxError `INVALID_SETTING` when it is started by hand. */
export function setupOfProcess(): ServiceSetup {
  const text = process.argv[2]
  if (text === undefined) {
    throw new OnceboxError('INVALID_SETTING', 'This is a part of the demo', { next: 'Start it with: oncebox demo' })
  }
  return JSON.parse(text) as ServiceSetup
}

/** Writes a report now and then, and the last one at once. */
export function reporter(read: () => Omit<ServiceReport, 'event'>) {
  const report = (event: ServiceReport['event']) => process.stdout.write(`${JSON.stringify({ event, ...read() })}\n`)
  let told = -1
  const timer = setInterval(() => {
    if (read().count === told) return
    told = read().count
    report('progress')
  }, 50)
  return {
    ready: () => report('ready'),
    done: () => {
      clearInterval(timer)
      report('done')
    },
  }
}
