import { defineMessages, partitionOf } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { kafka, kafkaInspector } from '@oncebox/kafka'
import type { Finding, MessagePublication } from '@oncebox/ops'
import { until } from '@oncebox/testkit'
import { kafkaMissing, kafkaTool, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { jsonLines, oncebox, startOncebox } from './oncebox.js'
import { migratedDatabase } from './outbox.js'

const keys = Array.from({ length: 12 }, (_, index) => `k${index}`)
const partition = (key: string, partitions: number) => partitionOf(Buffer.from(key), partitions)
/** A key that moves. */
const moving = keys.find((key) => partition(key, 3) !== partition(key, 6)) ?? ''

describe.skipIf(await kafkaMissing())('topics', { timeout: 480_000 }, () => {
  test('G4: a topic grows from 3 to 6 partitions under load: what doctor says is done, keys keep their order, new partitions get messages', async () => {
    await using database = await migratedDatabase()
    const { brokers } = await testKafka()
    const topic = uniqueName('orders')
    const transport = kafka({ brokers })
    const inspector = kafkaInspector({ brokers })
    onTestFinished(async () => {
      await inspector.close()
      await transport.close()
    })
    await transport.createTopic(topic, 3)
    const environment = { ...database.environment, KAFKA_BROKERS: brokers.join(), USER: 'ann' }
    /** A command as it is printed, and what it says. */
    const run = async (line: string) => {
      const [, ...args] = line.split(' ')
      const { code, stdout, stderr } = await oncebox([...args, '--json'], { environment })
      return { code, said: jsonLines(stdout)[0] ?? {}, error: jsonLines(stderr).at(-1) ?? {} }
    }
    const growth = async (): Promise<Finding[]> => {
      const { said } = await run('oncebox doctor')
      const { databases } = said as unknown as { databases: { checks: { findings: Finding[] }[] }[] }
      const all = databases.flatMap(({ checks }) => checks.flatMap(({ findings }) => findings))
      return all.filter(({ code }) => code === 'TOPIC_GROWN')
    }

    // A group that can be made to wait, and notes what it handles, in the order in which it does.
    const handled = new Map<string, number[]>(keys.map((key) => [key, []]))
    let gate = Promise.resolve()
    let open = () => {}
    const consumer = createConsumer({
      db: pgDatabase(database.pool),
      subscriber: transport,
      group: 'billing',
      messages: defineMessages({ test: { topic, schema: z.number() } }),
      handlers: {
        test: async ({ key, data }) => {
          await gate
          handled.get(key ?? '')?.push(data)
        },
      },
    })
    onTestFinished(() => consumer.stop())
    await consumer.start()
    const relay = startOncebox(['relay', '--json'], { environment })
    await relay.event(({ event }) => event === 'ready')

    const emit = async (key: string, number: number): Promise<string> => {
      const { rows } = await database.pool.query(`select oncebox.emit($1, $2, 'test', $3::text::jsonb) as id`, [
        topic,
        key,
        String(number),
      ])
      return rows[0].id
    }
    const early = await emit(moving, 0)
    let written = 0
    let stopped = false
    const load = (async () => {
      while (!stopped) {
        await database.pool.query(
          `select oncebox.emit($1, 'k' || i, 'test', ($2::int)::text::jsonb) from generate_series(0, 11) as i, pg_sleep(0.1)`,
          [topic, ++written],
        )
      }
    })()
    await using _ = {
      async [Symbol.asyncDispose]() {
        open()
        stopped = true
        await load
      },
    }
    const handledBy = (count: number) => [...handled.values()].every((values) => (values.at(-1) ?? 0) >= count)
    await until(() => handledBy(1), { what: 'the group to read', deadlineMs: 30_000 })
    expect(await growth()).toEqual([])
    const grown = await kafkaTool('org.apache.kafka.tools.TopicCommand', [
      ...['--bootstrap-server', brokers.join(), '--alter', '--topic', topic, '--partitions', '6'],
    ])
    expect(grown.exitCode).toBe(0)

    const [finding] = await growth()
    expect(finding).toMatchObject({ severity: 'advice', what: expect.stringContaining('has 6 partitions') })
    const [pause = '', lag = '', repin = '', resume = ''] = [...(finding?.next ?? '').matchAll(/"([^"]+)"/g)].map(
      ([, line = '']) => line,
    )
    expect([pause, lag, repin, resume]).toEqual([
      `oncebox pause --topic ${topic}`,
      'oncebox lag',
      `oncebox topics repin ${topic} --yes`,
      `oncebox resume --topic ${topic}`,
    ])
    expect((await run('oncebox topics')).said).toEqual({
      topics: [{ topic, pinned: 3, partitions: 6, paused: false }],
    })
    expect(await run(repin)).toMatchObject({ code: 1, error: { code: 'TOPIC_NOT_PAUSED' } })

    gate = new Promise((resolve) => {
      open = resolve
    })
    expect((await run(pause)).code).toBe(0)
    await relay.event(({ event }) => event === 'paused')
    const refused = await run(repin)
    expect(refused).toMatchObject({ code: 1, error: { code: 'TOPIC_NOT_DRAINED' } })
    expect(refused.error.msg).toMatch(/group "billing" has \d+ messages? still to read/)
    const planned = await run(`oncebox topics repin ${topic} --dry-run`)
    expect(planned).toMatchObject({ code: 1, said: { dryRun: true, changed: false, pinned: 3, partitions: 6 } })
    open()
    const unread = async () => {
      const { consumers } = (await run(lag)).said as unknown as { consumers: { messages: number }[] }
      return consumers.reduce((sum, { messages }) => sum + messages, 0)
    }
    await until(async () => (await unread()) === 0, { what: 'the group to be through', deadlineMs: 60_000 })

    // A message that waits for a reason of its own, as one that the topic does not take.
    const { rows: aside } = await database.pool.query(
      `INSERT INTO oncebox.parked (position, created_at, id, lane, reason, source, topic, key, type)
       VALUES (0, now(), gen_random_uuid(), 0, 'RECORD_TOO_LARGE', 's', $1, 'k0', 'test') RETURNING number`,
      [topic],
    )
    const heldBack = await run(repin)
    expect(heldBack).toMatchObject({ code: 1, error: { code: 'TOPIC_NOT_DRAINED' } })
    expect(heldBack.error.msg).toContain('are parked for another reason than the pause')
    await database.pool.query('DELETE FROM oncebox.parked WHERE number = $1', [aside[0].number])

    const done = await run(repin)
    expect(done).toMatchObject({
      code: 0,
      said: {
        action: 'repin',
        dryRun: false,
        changed: true,
        topic,
        pinned: 3,
        partitions: 6,
        groups: [{ group: 'billing', unread: 0 }],
      },
    })
    expect(done.said.waiting).toBeGreaterThan(0)
    expect((await run(resume)).code).toBe(0)
    const newOnes = async () =>
      [...(await inspector.offsets(topic))].filter(([number, { high }]) => number > 2 && high !== '0')
    await until(async () => (await newOnes()).length === 3, { what: 'messages in new partitions', deadlineMs: 60_000 })
    stopped = true
    await load
    await until(() => handledBy(written), { what: 'everything to be handled', deadlineMs: 120_000 })
    for (const [key, values] of handled) {
      // A handler whose transaction is lost to a rebalance runs again.
      const first = [...new Set(values)]
      const whole = Array.from({ length: written }, (_, index) => index + 1)
      expect(first, key).toEqual(key === moving ? [0, ...whole] : whole)
    }

    expect(await growth()).toEqual([])
    const { rows } = await database.pool.query(
      'SELECT topic, partitions_before, partitions, repinned_by FROM oncebox.topic_repin',
    )
    expect(rows).toEqual([{ topic, partitions_before: 3, partitions: 6, repinned_by: 'ann' }])
    // A message from before is where it was published, one from after where it is now.
    const late = await emit(moving, written + 1)
    const published = async (id: string) => {
      const { said } = await run(`oncebox show ${id}`)
      const [found] = (said as unknown as { databases: { writes: { publications: MessagePublication[] }[] }[] })
        .databases
      return found?.writes.flatMap(({ publications }) => publications) ?? []
    }
    await until(async () => (await published(late)).length === 1, { what: 'the last one', deadlineMs: 30_000 })
    expect(await published(late)).toMatchObject([{ partition: partition(moving, 6), certain: true }])
    expect(await published(early)).toMatchObject([{ partition: partition(moving, 3), certain: true }])
  })

  test('a topic that no relay has published to is not pinned anew, and without brokers only what is pinned is listed', async () => {
    await using database = await migratedDatabase()
    const { brokers } = await testKafka()
    const topic = uniqueName('unmade')
    const unknown = await oncebox(['topics', 'repin', topic, '--by', 'ann', '--brokers', brokers.join()], database)
    expect(unknown).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('See those that one has published to'),
    })
    expect((await oncebox(['topics'], database)).stdout).toBe('No relay has published to a topic yet.\n')
    await database.pool.query(`INSERT INTO oncebox.pinned_topic (topic, partitions) VALUES ($1, 3)`, [topic])
    const listed = await oncebox(['topics'], database)
    expect(listed.stdout).toMatch(new RegExp(`^topic +pinned +partitions\\n${topic} +3\\n\\nGive --brokers`))
    const missing = await oncebox(['topics', 'repin', topic, '--by', 'ann', '--brokers', brokers.join()], database)
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('does not exist') })
  })
})
