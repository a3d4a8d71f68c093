import { silentLogger } from '@oncebox/core'
import type { Inspector, Subscriber } from '@oncebox/transport'
import { expect, onTestFinished, test } from 'vitest'
import { readTopic } from '../dist/command/topicReader.js'

const record = (partition: number, offset: string) => ({
  topic: 't',
  partition,
  offset,
  timestamp: 0,
  key: null,
  value: null,
  headers: [],
})

/** A topic of two partitions with a record each. The leader of the second is away; to the first, somebody writes on and on. */
function halfDeadTopic(): { readonly inspector: Inspector; readonly subscriber: Subscriber } {
  const range = { low: '0', high: '1' }
  const inspector = {
    topics: async () => new Map([['t', {}]]),
    offsetsAt: async () => new Map([0, 1].map((partition) => [partition, '0'])),
    offsets: async () => new Map([0, 1].map((partition) => [partition, range])),
  } as unknown as Inspector
  const subscriber = {
    name: 'half dead',
    async subscribe(_, handler) {
      const { signal } = new AbortController()
      let offset = 0
      const writing = setInterval(() => {
        void handler.batch({ topic: 't', topicId: '', partition: 0, records: [record(0, String(offset++))], signal })
      }, 10)
      const stop = async () => clearInterval(writing)
      onTestFinished(stop)
      return { stop }
    },
    retentionMs: async () => null,
    close: async () => {},
  } satisfies Subscriber
  return { inspector, subscriber }
}

test('a partition of which nothing comes is given up, also while others are written to', async () => {
  const taken: number[] = []
  const tools = { ...halfDeadTopic(), logger: silentLogger, silenceMs: 200 }
  const reading = readTopic('t', 0, tools, async (records) => {
    taken.push(...records.map(({ partition }) => partition))
  })
  await expect(reading).rejects.toMatchObject({ code: 'TRANSPORT_FAILED' })
  expect(taken).toEqual([0])
})
