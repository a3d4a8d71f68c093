import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type NodeProcess, spawnNode, until } from '@oncebox/testkit'
import { kafkaMissing, type TestDatabase, testDatabase, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { expect, test } from 'vitest'
import { type CodeBlock, codeBlocks, page, root } from './pages.js'

const run = promisify(execFile)
const bin = join(root, 'packages/cli/dist/bin.js')
/** Inside the package, so that `oncebox` and its neighbours are found as a user's project finds them. */
const parent = join(root, 'packages/cli/.cache')

/** The tutorial's reader: an empty folder, a shell, and terminals in which something keeps running. */
class Reader implements AsyncDisposable {
  readonly folder: string
  readonly #environment: Record<string, string>
  readonly #names: Readonly<Record<string, string>>
  readonly #running: NodeProcess[] = []

  constructor(folder: string, environment: Record<string, string>, names: Readonly<Record<string, string>>) {
    this.folder = folder
    this.#environment = environment
    this.#names = names
  }

  /** Does what the block says; resolves with what a command printed. */
  async follow({ language, code: written }: CodeBlock): Promise<string> {
    const code = Object.entries(this.#names).reduce((text, [name, own]) => text.replaceAll(name, own), written)
    const [first = '', ...rest] = code.trim().split('\n')
    if (language === 'ts') {
      await writeFile(join(this.folder, /^\/\/ (\w+\.ts)$/.exec(first)?.[1] as string), code)
      return ''
    }
    if (/^# terminal \d, and leave it running$/.test(first)) {
      await this.#keep(rest.join(' '))
      return ''
    }
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', code], {
      cwd: this.folder,
      env: { ...process.env, ...this.#environment },
    })
    return stdout
  }

  async #keep(command: string): Promise<void> {
    const [program, what = '', ...args] = command.split(' ')
    const script = program === 'npx' ? bin : join(this.folder, what)
    const options = { cwd: this.folder, env: this.#environment }
    const started = spawnNode(script, program === 'npx' ? args : [], options)
    this.#running.push(started)
    if (program === 'node') await started.waitForLine((line) => /open|begins/.test(line), { what: command })
  }

  /** The newest process that was left running. */
  get latest(): NodeProcess {
    return this.#running.at(-1) as NodeProcess
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#running) await one.kill('SIGKILL')
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function openReader(database: TestDatabase): Promise<Reader> {
  const { brokers } = await testKafka()
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(join(parent, 'tutorial-'))
  // What npm would have put there.
  const commands = join(folder, 'bin')
  await mkdir(commands)
  await writeFile(join(commands, 'npx'), `#!/bin/sh\nshift\nexec "${process.execPath}" "${bin}" "$@"\n`)
  await writeFile(join(commands, 'npm'), '#!/bin/sh\nexit 0\n')
  await chmod(join(commands, 'npx'), 0o755)
  await chmod(join(commands, 'npm'), 0o755)
  const path = [commands, dirname(process.execPath), process.env.PATH].join(delimiter)
  const environment = { DATABASE_URL: database.url, KAFKA_BROKERS: brokers.join(), PATH: path }
  const port = String(await freePort())
  const topic = uniqueName('orders')
  const names = {
    '3000': port,
    "topic: 'orders'": `topic: '${topic}'`,
    '--topic orders': `--topic ${topic}`,
    "'billing'": `'${uniqueName('billing')}'`,
    'oncebox dashboard': 'oncebox dashboard --port 0',
  }
  return new Reader(folder, environment, names)
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

test.skipIf(await kafkaMissing())('the tutorial does what it says, step by step', { timeout: 180_000 }, async () => {
  await using database = await testDatabase()
  await using reader = await openReader(database)
  const one = async (sql: string) => (await database.pool.query(sql)).rows[0]?.value
  const bills = () => one(`SELECT coalesce(json_agg(order_id), '[]')::text AS value FROM bill`)
  const billed = (...orders: string[]) =>
    until(async () => JSON.stringify(JSON.parse(await bills()).sort()) === JSON.stringify(orders), {
      what: `bills for ${orders}`,
      deadlineMs: 60_000,
    })
  const tutorial = page('docs/tutorial.md')
  const said: Record<string, string> = {}
  for (const section of tutorial.text.split(/^(?=## )/m)) {
    const step = /^## (\d)/.exec(section)?.[1] ?? ''
    for (const block of codeBlocks({ path: '', text: section })) {
      if (block.code.startsWith('export ')) continue
      if (block.code.startsWith('npx oncebox dead list')) {
        await billed('o-1', 'o-2', 'o-5')
        await until(() => one('SELECT 1 AS value FROM oncebox.dead_letter'), { what: 'the dead letter' })
        // Ada's next one waits: it was read, and not billed.
        await until(() => one('SELECT 1 AS value FROM oncebox.parked_delivery'), { what: 'what waits behind it' })
      }
      if (block.language === 'sql') await database.pool.query(block.code)
      else said[step] = (said[step] ?? '') + (await reader.follow(block))
    }
    if (step === '4') {
      expect(said[4]).toMatch(/no relay/i)
      expect(await one('SELECT count(*)::int AS value FROM oncebox.outbox')).toBe(2)
    }
    if (step === '5') {
      const published = 'SELECT coalesce(sum(count), 0)::int AS value FROM oncebox.publication'
      await until(async () => (await one(published)) === 2, { what: 'both messages in Kafka', deadlineMs: 60_000 })
    }
    if (step === '6') await billed('o-1', 'o-2')
    if (step === '7') {
      const handled = 'SELECT sum(next_offset)::int AS value FROM oncebox.consumer_offset'
      await until(async () => (await one(handled)) === 4, { what: 'all four records to be read', deadlineMs: 60_000 })
      await billed('o-1', 'o-2')
    }
    if (step === '8') {
      expect(said[8]).toContain('bill_cents_check')
      await billed('o-1', 'o-2', 'o-3', 'o-4', 'o-5')
      const ada = await one(
        `SELECT json_agg(order_id)::text AS value FROM bill WHERE order_id IN ('o-1', 'o-3', 'o-4')`,
      )
      expect(JSON.parse(ada)).toEqual(['o-1', 'o-3', 'o-4'])
    }
    if (step === '9') {
      const line = await reader.latest.waitForLine((text) => text.includes('http://'), { what: 'the address' })
      const url = /http:\/\/\S+\//.exec(line)?.[0] as string
      expect(await (await fetch(`${url}api/me`)).json()).toMatchObject({ mayAct: true, maySeePayloads: true })
    }
  }
})
