import { defineMessages } from '@oncebox/core'
import { fromPg, pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { kafka } from '@oncebox/kafka'
import { doctor, type Finding, type ProblemCode } from '@oncebox/ops'
import { until } from '@oncebox/testkit'
import { kafkaMissing, kafkaTool, testDatabase, testKafka, uniqueName } from '@oncebox/testkit/harness'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { jsonLines, oncebox, type Running, startOncebox } from './oncebox.js'
import { emitSql, type MigratedDatabase, migratedDatabase } from './outbox.js'

/** Kafka's tools by the names that administrators know: the scripts are not among the jars. */
const kafkaTools: Readonly<Record<string, string>> = {
  'kafka-topics.sh': 'org.apache.kafka.tools.TopicCommand',
  'kafka-configs.sh': 'kafka.admin.ConfigCommand',
}

/** A database that is the copy of another, as after a restored dump: another oid, the cursors of the first. */
async function restored(from: MigratedDatabase): Promise<MigratedDatabase> {
  await from.pool.end()
  const own = await testDatabase()
  const url = new URL(own.url)
  const name = uniqueName('restored')
  url.pathname = `/${name}`
  await own.pool.query(`CREATE DATABASE ${name} TEMPLATE ${from.name}`)
  const pool = new pg.Pool({ connectionString: url.href })
  pool.on('error', () => undefined)
  onTestFinished(async () => {
    await pool.end()
    await own.pool.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await own.drop()
  })
  return { ...own, name, pool, url: url.href, environment: { DATABASE_URL: url.href } }
}

describe.skipIf(await kafkaMissing())('the command that doctor names mends', { timeout: 480_000 }, () => {
  test('a restored dump, a killed relay, a full ring, an idle transaction, a poisoned key, a missing topic, an oversize message', async () => {
    const { brokers } = await testKafka()
    const topic = uniqueName('orders')
    const missing = uniqueName('missing')
    const small = uniqueName('small')
    const transport = kafka({ brokers })
    onTestFinished(() => transport.close())
    await transport.createTopic(topic, 2)
    const created = await kafkaTool(kafkaTools['kafka-topics.sh'] as string, [
      ...['--bootstrap-server', brokers.join(), '--create', '--topic', small, '--partitions', '1'],
      ...['--config', 'max.message.bytes=10000'],
    ])
    expect(created.exitCode).toBe(0)
    const original = await migratedDatabase()
    await emitSql(original, { topic, key: 'k', payload: '{}' }, 3)
    const database = await restored(original)
    const { pool } = database
    const environment = { ...database.environment, KAFKA_BROKERS: brokers.join(), USER: 'ann' }

    const ask = async (...args: string[]): Promise<Finding[]> => {
      const { stdout } = await oncebox(['doctor', '--json', ...args], { environment })
      const [found] = jsonLines(stdout) as unknown as { databases: { checks: { findings: Finding[] }[] }[] }[]
      return (found?.databases ?? []).flatMap(({ checks }) => checks.flatMap(({ findings }) => findings))
    }
    const problemsOf = (findings: readonly Finding[]) =>
      // The tests' server runs without fsync, and others of its cluster have transactions of their own.
      findings.filter(({ severity, code }) => severity === 'problem' && code !== 'COMMITS_NOT_DURABLE')
    const findingOf = (findings: readonly Finding[], code: ProblemCode): Finding => {
      const found = findings.find((finding) => finding.code === code)
      expect(found, `${code} among ${findings.map((finding) => finding.code)}`).toBeDefined()
      return found as Finding
    }
    /** The finding is gone, as doctor's own checks see it; without the two seconds that the command takes. */
    const gone = (what: string, isIt: (finding: Finding) => boolean) =>
      until(
        async () => {
          const client = await pool.connect()
          try {
            const limits = { sampleMs: 0, openTransactionMs: 1_000 }
            const checks = await doctor(fromPg(client), { limits })
            return !checks.flatMap(({ findings }) => findings).some((each) => each.severity === 'problem' && isIt(each))
          } finally {
            client.release()
          }
        },
        { what: `${what} to be mended`, deadlineMs: 120_000 },
      )

    let relay: Running | undefined
    /** Runs the last command that a finding names, word for word; `oncebox relay` goes on in the background. */
    const run = async ({ next }: Finding): Promise<string> => {
      const sql = /SELECT pg_terminate_backend\(\d+\)/.exec(next)?.[0]
      if (sql !== undefined) {
        await pool.query(sql)
        return sql
      }
      const line = [...next.matchAll(/"((?:oncebox|kafka-\w+\.sh) [^"]*)"/g)].at(-1)?.[1] ?? ''
      const [program = '', ...args] = line.replaceAll('$KAFKA_BROKERS', brokers.join()).split(' ')
      if (line === 'oncebox relay') relay = startOncebox([...args, '--json'], { environment })
      else if (program === 'oncebox') expect((await oncebox(args, { environment })).code, line).toBe(0)
      else expect(await kafkaTool(kafkaTools[program] as string, args), line).toMatchObject({ exitCode: 0 })
      return line
    }

    const copied = findingOf(problemsOf(await ask()), 'DATABASE_CHANGED')
    expect(await run(copied)).toBe('oncebox relay')
    await gone('the restored dump', ({ code }) => code === 'DATABASE_CHANGED' || code === 'NO_RELAY')
    const first = relay as unknown as Running
    expect(first.events().some(({ event }) => event === 'identity_changed')).toBe(true)

    let mended = false
    const handled: string[] = []
    const consumer = createConsumer({
      db: pgDatabase(pool),
      subscriber: transport,
      group: 'billing',
      messages: defineMessages({ test: { topic, schema: z.unknown() } }),
      attempts: 1,
      allowLongerRetention: true,
      handlers: {
        test: ({ key }) => {
          if (key === 'poisoned' && !mended) throw new Error('not today')
          handled.push(key ?? '')
        },
      },
    })
    onTestFinished(() => consumer.stop())
    await consumer.start()
    await emitSql(database, { topic, key: 'poisoned', payload: '{}' }, 2)
    await emitSql(database, { topic: missing, key: 'm', payload: '{}' }, 2)
    await emitSql(database, { topic: small, key: 's', payload: 'x'.repeat(50_000) })
    await emitSql(database, { topic: small, key: 's', payload: '{}' })
    const counted = async (sql: string) => Number((await pool.query(`SELECT count(*)::int AS n FROM ${sql}`)).rows[0].n)
    await until(async () => (await counted('oncebox.dead_letter')) === 1, { what: 'a dead letter', deadlineMs: 60_000 })
    await until(async () => (await counted('oncebox.parked')) === 4, { what: 'four to wait aside', deadlineMs: 60_000 })
    const idle = new pg.Client({ connectionString: database.url })
    idle.on('error', () => undefined)
    await idle.connect()
    onTestFinished(() => idle.end().catch(() => undefined))
    await idle.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    const idlePid = (await idle.query('SELECT pg_backend_pid() AS pid')).rows[0].pid as number
    first.process.kill('SIGKILL')
    await first.ended
    // Every leaf holds what should have been emptied a day ago; and the lease of the dead relay runs out.
    await pool.query(`
      INSERT INTO oncebox.outbox (id, source, topic, key, type, payload, slot, created_at)
      SELECT oncebox.uuid_v7(), 'shop', '${topic}', 'k', 'test', '{}', slot, now() - interval '4 days' FROM generate_series(0, 7) AS slot`)
    await pool.query('UPDATE oncebox.relay_cursor SET expires_at = clock_timestamp()')
    await until(
      async () =>
        (await counted(`pg_stat_activity WHERE pid = ${idlePid} AND xact_start < now() - interval '1500 ms'`)) === 1,
      { what: 'the transaction to be idle for long' },
    )

    const found = problemsOf(await ask('--open', '1s'))
    const isIdle = ({ code, what }: Finding) => code === 'SNAPSHOT_HELD' && what.startsWith(`Pid ${idlePid} `)
    expect(await run(found.find(isIdle) as Finding)).toBe(`SELECT pg_terminate_backend(${idlePid})`)
    await gone('the idle transaction', isIdle)
    for (const code of ['NO_RELAY', 'RING_FULL', 'LEAF_NOT_RECLAIMED'] as const) {
      expect(findingOf(found, code).next).toContain('Start "oncebox relay"')
    }
    expect(await run(findingOf(found, 'NO_RELAY'))).toBe('oncebox relay')
    await run(findingOf(found, 'TOPIC_MISSING'))
    await run(findingOf(found, 'MESSAGE_TOO_LARGE'))
    mended = true
    await run(findingOf(found, 'DEAD_LETTERS'))
    expect(found.filter(({ code }) => code === 'KEYS_PARKED')).toHaveLength(2)

    // What others of the server leave open or prepared is theirs.
    const ofOthers: readonly string[] = [
      'COMMITS_NOT_DURABLE',
      'SNAPSHOT_HELD',
      'PREPARED_TRANSACTION',
      'SLOT_WAL_UNLIMITED',
    ]
    await gone('all of it', ({ code }) => !ofOthers.includes(code))
    expect(problemsOf(await ask('--open', '1h')).filter(({ code }) => !ofOthers.includes(code))).toEqual([])
    await until(() => handled.filter((key) => key === 'poisoned').length >= 2, {
      what: 'the poisoned key to be handled',
      deadlineMs: 60_000,
    })
  })
})
