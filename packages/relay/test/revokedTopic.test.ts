import { until } from '@oncebox/testkit'
import type { OutgoingRecord, Publisher, PublishOutcome } from '@oncebox/transport'
import { memoryTransport } from '@oncebox/transport/memory'
import { expect, test } from 'vitest'
import { type Bench, bench, published } from './relayBench.js'

type Answer = 'acked' | 'unanswered' | 'refused'

const answers = {
  unanswered: { status: 'failed', code: 'TRANSPORT_UNREACHABLE', reason: 'nobody answers' },
  refused: { status: 'refused', code: 'NOT_AUTHORIZED', reason: 'the right was taken away' },
} as const

/** A transport that answers for each key as it is told, and for the later records of a key as its contract wants. */
function answering(at: Bench, answerFor: (key: string) => Answer): Publisher {
  const inner = at.transport.publisher()
  const keyOf = (record: OutgoingRecord) => Buffer.from(record.key ?? []).toString()
  return {
    name: 'answering as told',
    connect: () => inner.connect(),
    partitions: (topic) => inner.partitions(topic),
    createTopic: (topic, partitions) => inner.createTopic(topic, partitions),
    close: () => inner.close(),
    async publish(records) {
      const wanted = records.map((record) => answerFor(keyOf(record)))
      const sent = await inner.publish(records.filter((_, index) => wanted[index] === 'acked'))
      const stopped = new Set<string>()
      return records.map((record, index): PublishOutcome => {
        const answer = wanted[index] as Answer
        if (answer === 'acked') return sent.shift() as PublishOutcome
        if (stopped.has(keyOf(record))) return { status: 'held' }
        stopped.add(keyOf(record))
        return answers[answer]
      })
    },
  }
}

const waiting = async (at: Bench): Promise<string[]> => {
  const rows = await at.query<{ value: string }>(
    `select convert_from(payload, 'UTF8') as value from oncebox.parked order by number`,
  )
  return rows.map(({ value }) => value)
}

const failures = (at: Bench) => at.events.filter(({ event }) => event === 'publish_failed').length

test('G4: of a topic whose right is taken away, what was tried goes aside before what waits behind it', async () => {
  await using at = await bench({ transport: memoryTransport({ partitions: 1 }) })
  let answer: Answer = 'unanswered'
  await at.query(
    `select oncebox.emit('t', left(value, 1), 'x', value) from unnest(array['a1', 'b1', 'a2', 'b2']) with ordinality
      as message (value, number) order by number`,
  )
  await at.relay({ publisher: answering(at, () => answer), batchMessages: 4 }).start()
  // All four have failed by now, and half of a call is tried again: one of each key.
  await until(() => failures(at) > 2, { what: 'the transport to be away' })
  answer = 'refused'
  await until(async () => (await waiting(at)).length === 4, { what: 'all to be moved aside' })
  expect(await waiting(at)).toEqual(['a1', 'b1', 'a2', 'b2'])
  answer = 'acked'
  await published(at, 't', ['a1', 'b1', 'a2', 'b2'])
})

test('G4: with a topic whose right is taken away goes what waits in its other partitions, before what comes later', async () => {
  await using at = await bench({ transport: memoryTransport({ partitions: 2 }) })
  // Two keys on two partitions.
  const [one, other] = ['k1', 'k3']
  let mended = false
  const answerFor = (key: string): Answer => (mended ? 'acked' : key === other ? 'unanswered' : 'refused')
  await at.emit('t', other, 'waits')
  await at.relay({ publisher: answering(at, answerFor), parkAfterMs: 600_000 }).start()
  await until(() => failures(at) > 1, { what: 'the other partition to fail' })
  await at.emit('t', one, 'refused')
  await until(async () => (await waiting(at)).length === 2, { what: 'both to be moved aside' })
  await at.emit('t', other, 'later')
  await until(async () => (await waiting(at)).length === 3, { what: 'all to be moved aside' })
  expect((await waiting(at)).filter((value) => value !== 'refused')).toEqual(['waits', 'later'])
  mended = true
  await until(() => at.values('t').length === 3, { what: 'all to be published' })
  expect(at.values('t').filter((value) => value !== 'refused')).toEqual(['waits', 'later'])
})
