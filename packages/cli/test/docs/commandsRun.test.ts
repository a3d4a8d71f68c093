import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { kafka } from '@oncebox/kafka'
import { freePort } from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { expect, onTestFinished, test } from 'vitest'
import { emitSql, type MigratedDatabase, migratedDatabase } from '../outbox.js'
import { root, type Typed, typed } from './pages.js'

/** What this test does not run, by page and line, and why: another test does, or it takes too long for any. */
const notRun: readonly (readonly [what: RegExp, why: string, test: string])[] = [
  [/^docs\/tutorial\.md: /, 'followed step by step', 'packages/cli/test/docs/tutorial.test.ts'],
  [/^examples\/[\w-]+\/README\.md: /, 'each example has a test that runs its programs', 'examples/payment/test'],
  [/: npm install /, 'there is no registry to install from', 'packages/cli/test/installation.test.ts'],
  [/: ONCEBOX_RETAINED_ROWS=/, 'takes minutes to fill', 'packages/dashboard/test/retained.test.ts'],
  [/: npm test\b/, 'it is what runs this', 'test/scripts.test.ts'],
  [/: npm run demo$/, 'takes half a minute', 'packages/cli/test/demo/demo.test.ts'],
  [/: oncebox demo /, 'ends when it is told to', 'packages/cli/test/demo/watched.test.ts'],
  [/: npm run bench\b/, 'takes minutes to hours', 'packages/bench/test'],
  [/: npm run proof\b/, 'takes minutes to hours', 'packages/proof/test'],
  [/: oncebox topics repin /, 'needs a topic that has grown', 'packages/cli/test/topics.test.ts'],
  [/: oncebox bench /, 'takes half a minute', 'packages/cli/test/bench.test.ts'],
  [/: oncebox dashboard /, 'ends when it is told to', 'packages/cli/test/dashboard.test.ts'],
  [/: oncebox tail\b/, 'ends when it is told to', 'packages/cli/test/tail.test.ts'],
  [/: oncebox status --watch/, 'ends when it is told to', 'packages/cli/test/status.test.ts'],
  [/: oncebox replay --again --run /, 'needs a run that was killed', 'packages/cli/test/replayAgain.test.ts'],
  [/: kafka-topics\.sh /, 'a program of Kafka', 'packages/relay/test/kafka.test.ts'],
  [/--import \.\/tracing\.js/, 'needs a file of its own', 'packages/cli/test/tracing.test.ts'],
  [/--webhook-url /, 'needs somebody who listens', 'packages/cli/test/webhook.test.ts'],
]

const named = ({ where, line }: Typed): string => `${where}: ${line}`
const ruleOf = (one: Typed) => notRun.find(([what]) => what.test(named(one)))

test('what no test here runs is in the table with a reason, and the table holds nothing else', () => {
  const used = new Set(typed().map(ruleOf))
  expect(notRun.filter((rule) => !used.has(rule)).map(([what]) => String(what))).toEqual([])
  expect(notRun.filter(([, , file]) => !existsSync(join(root, file))).map(([what]) => String(what))).toEqual([])
})

/** Verbs that only look, and whose exit code tells what they found. */
const judges = /^oncebox (plan|status|doctor|verify)\b/

test.skipIf(await kafkaMissing())(
  'every other command of the docs does what it says',
  { timeout: 240_000 },
  async () => {
    await using database = await migratedDatabase()
    const { brokers } = await testKafka()
    const topic = uniqueName('orders')
    const transport = kafka({ brokers })
    onTestFinished(() => transport.close())
    await transport.createTopic(topic, 1)
    const [id = ''] = await emitSql(database, { topic, key: 'o-17', type: 'order.created', payload: '{}' }, 3)
    await prepareConsumer(database, topic)
    const roles = { shop: uniqueName('shop'), ann: uniqueName('ann'), relay: uniqueName('relay') }
    for (const role of Object.values(roles)) await database.pool.query(`CREATE ROLE ${role}`)
    const here = await shell({ DATABASE_URL: database.url, KAFKA_BROKERS: brokers.join(), USER: 'ann' })

    const real = (line: string): string =>
      line
        .replaceAll('localhost:9092', brokers.join())
        .replaceAll(/postgres:\/\/ops@\w+\/\w+/g, database.url)
        .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, id)
        .replaceAll(/(--topic )orders\b(?!=)/g, `$1${topic}`)
        .replaceAll(/(--producer |to )shop\b/g, `$1${roles.shop}`)
        .replaceAll(/( to )relay\b/g, `$1${roles.relay}`)
        .replaceAll(/(--viewer )ann\b/g, `$1${roles.ann}`)

    const failed: string[] = []
    const running: Promise<void>[] = []
    const lines = new Map(
      typed()
        .filter((one) => ruleOf(one) === undefined)
        .map((one) => [one.line, one]),
    )
    expect(lines.size).toBeGreaterThan(40)
    for (const one of lines.values()) {
      const relay = one.line.startsWith('oncebox relay ')
      const command = real(one.line).replace('9464', String(await freePort()))
      const ended = here(relay ? `${command} --until-idle` : command).then(({ code, stderr }) => {
        const fine = code === 0 || (code === 1 && judges.test(one.line))
        if (!fine) failed.push(`${named(one)}\n  exit code ${code}: ${stderr}`)
      })
      running.push(ended)
      // Those that only look may go on looking; what acts, acts in the order of the pages.
      if (!judges.test(one.line)) await ended
    }
    await Promise.all(running)
    expect(failed).toEqual([])
  },
)

/** A group `billing` that has read the topic, and its dead letters up to number 20. */
async function prepareConsumer({ pool }: MigratedDatabase, topic: string): Promise<void> {
  await pool.query(
    `INSERT INTO oncebox.consumer_offset (consumer, topic, partition, next_offset) VALUES ('billing', $1, 0, 3)`,
    [topic],
  )
  await pool.query(
    `INSERT INTO oncebox.dead_letter (
      dead_at, record_time, partition, record_offset, attempts, consumer, source, message_id, topic, type, reason, headers, parks
    )
    SELECT now(), now(), 0, n, 8, 'billing', 'shop', 'id-' || n, $1, 'order.paid', 'HANDLER_FAILED', '[]', false
    FROM generate_series(1, 20) AS n`,
    [topic],
  )
}

type Shell = (command: string) => Promise<{ readonly code: number; readonly stderr: string }>

/** A shell in an empty folder, with `oncebox` and a `psql` that needs nothing but Node.js. */
async function shell(environment: Readonly<Record<string, string>>): Promise<Shell> {
  const parent = join(root, 'packages/cli/.cache')
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(join(parent, 'commands-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const programs: Readonly<Record<string, string>> = {
    oncebox: `import '${join(root, 'packages/cli/dist/bin.js')}'`,
    psql: `
      import { text } from 'node:stream/consumers'
      import pg from 'pg'
      const [url, , sql = await text(process.stdin)] = process.argv.slice(2)
      const client = new pg.Client(url)
      await client.connect()
      await client.query(sql)
      await client.end()`,
  }
  for (const [name, code] of Object.entries(programs)) {
    await writeFile(join(folder, `${name}.mjs`), code)
    await writeFile(join(folder, name), `#!/bin/sh\nexec "${process.execPath}" "${join(folder, name)}.mjs" "$@"\n`)
    await chmod(join(folder, name), 0o755)
  }
  const path = [folder, dirname(process.execPath), process.env.PATH].join(delimiter)
  const options = { cwd: folder, env: { ...process.env, ...environment, PATH: path } }
  return (command) =>
    new Promise((resolve) => {
      execFile('bash', ['-uo', 'pipefail', '-c', command], options, (error, _stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stderr }),
      )
    })
}
