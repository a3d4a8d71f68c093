import { partitionOf, silentLogger } from '@oncebox/core'
import { it, onTestFinished } from 'vitest'
import type { OutgoingRecord, Publisher } from '../publisher.js'
import type { SubscribeOptions, Subscription } from '../subscriber.js'
import type { Collector } from './collector.js'
import type { ConformanceOptions, TransportFeatures, TransportHarness } from './harness.js'

const testTimeoutMs = 90_000
let groupsMade = 0

/** One conformance run: registers tests, and gives them topics, publishers and subscriptions that are closed after. */
export class Suite {
  readonly options: ConformanceOptions
  readonly #harness: () => TransportHarness

  constructor(options: ConformanceOptions, harness: () => TransportHarness) {
    this.options = options
    this.#harness = harness
  }

  get harness(): TransportHarness {
    return this.#harness()
  }

  /** Registers a test that needs `features`; where one is absent the test is skipped and the reason printed. */
  test(name: string, features: readonly (keyof TransportFeatures)[], run: () => Promise<void>): void {
    const reason = features.map((feature) => this.options.features[feature]).find((support) => support !== true)
    if (reason === undefined) {
      it(name, run, testTimeoutMs)
    } else {
      it(name, (context) => {
        console.info(`skipped: ${name}: ${reason}`)
        context.skip(String(reason))
      })
    }
  }

  group(): string {
    return `group-${process.pid}-${++groupsMade}-${Date.now()}`
  }

  async topic(partitions: number, ...groups: string[]): Promise<Topic> {
    const name = await this.harness.createTopic({ partitions, groups })
    return new Topic(name, this.options.features.partitions === true ? partitions : 0)
  }

  async publisher(): Promise<Publisher> {
    const publisher = this.harness.publisher()
    onTestFinished(() => publisher.close())
    await publisher.connect()
    return publisher
  }

  /** Publishes and throws unless every record was acked. */
  async publishAll(records: readonly OutgoingRecord[]): Promise<void> {
    const publisher = await this.publisher()
    const outcomes = await publisher.publish(records)
    const bad = outcomes.find((outcome) => outcome.status !== 'acked')
    if (bad !== undefined || outcomes.length !== records.length)
      throw new Error(`not all acked: ${JSON.stringify(bad)}`)
    await publisher.close()
  }

  async subscribe(
    topic: Topic,
    group: string,
    collector: Collector,
    overrides: Partial<SubscribeOptions> = {},
  ): Promise<Subscription> {
    const subscriber = this.harness.subscriber()
    onTestFinished(() => subscriber.close())
    const limits = { maxRecords: 500, maxBytes: 4_000_000, logger: silentLogger }
    return subscriber.subscribe({ group, topics: [topic.name], ...limits, ...overrides }, collector)
  }
}

/** A topic of one test, and how records for it are made. */
export class Topic {
  readonly name: string
  /** 0 on transports without partitions. */
  readonly partitions: number

  constructor(name: string, partitions: number) {
    this.name = name
    this.partitions = partitions
  }

  record(
    key: string | Uint8Array | null,
    value: string | Uint8Array | null,
    headers: OutgoingRecord['headers'] = [],
  ): OutgoingRecord {
    const keyBytes = typeof key === 'string' ? Buffer.from(key) : key
    const partition = keyBytes === null || this.partitions === 0 ? null : partitionOf(keyBytes, this.partitions)
    const valueBytes = typeof value === 'string' ? Buffer.from(value) : value
    return { topic: this.name, partition, key: keyBytes, value: valueBytes, headers }
  }

  /** A record of a given partition, its key naming it. */
  at(partition: number, value: string): OutgoingRecord {
    return { ...this.record(`p${partition}`, value), partition }
  }
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}
