import { afterAll, beforeAll, describe } from 'vitest'
import { byteTests } from './bytes.js'
import { deliveryTests } from './delivery.js'
import { groupTests } from './groups.js'
import type { ConformanceOptions, TransportHarness } from './harness.js'
import { offsetTests } from './offsets.js'
import { outageTests } from './outage.js'
import { publishingTests } from './publishing.js'
import { Suite } from './suite.js'

const setUpMs = 120_000

/**
 * Registers the tests that every transport passes (after Watermill's TestPubSub), in the vitest file that calls it.
 *
 * @param name the transport's name, for the titles
 * @param options how to make one, and what it can do; what it cannot is skipped with the reason given there
 */
export function transportConformance(name: string, options: ConformanceOptions): void {
  describe(`${name}: conformance`, () => {
    const suite = new Suite(options, prepare(options, false))
    publishingTests(suite)
    byteTests(suite)
    deliveryTests(suite)
    offsetTests(suite)
    groupTests(suite)
  })
  describe(`${name}: conformance when the broker goes away`, () => {
    outageTests(new Suite(options, prepare(options, options.features.outage === true)))
  })
}

function prepare(options: ConformanceOptions, outage: boolean): () => TransportHarness {
  let harness: TransportHarness | undefined
  beforeAll(async () => {
    harness = await options.create({ outage })
  }, setUpMs)
  afterAll(async () => {
    await harness?.close()
  }, setUpMs)
  return () => {
    if (harness === undefined) throw new Error('the harness was not created')
    return harness
  }
}
