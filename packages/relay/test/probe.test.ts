import { tables } from '@oncebox/schema'
import { fastSettings, type PostgresServer, startPostgres, until } from '@oncebox/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PollingSource } from '../dist/pollingSource.js'
import { Session } from '../dist/session.js'
import { windowSessionSettings } from '../dist/windowQuery.js'
import { benchOn, calmPool, migrated } from './relayBench.js'

/** Of its own: only where nobody else writes does a snapshot stay what it was. */
let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres({ settings: { ...fastSettings, autovacuum: 'off' } })
})
afterAll(() => server.remove())

interface Quiet extends AsyncDisposable {
  readonly at: ReturnType<typeof benchOn>
  /** Reads a page. */
  read(): Promise<{ keys: (string | null)[]; due: boolean; statement: string | undefined }>
}

/** A source for which there is nothing to read, and which has noticed. */
async function quietSource(): Promise<Quiet> {
  const url = await server.createDatabase()
  await migrated(url)
  const pool = calmPool(url)
  const at = benchOn({ url, pool }, () => pool.end())
  const session = await Session.open(at.relayPool, { settings: windowSessionSettings, timeoutMs: 20_000 })
  const statements: string[] = []
  const seen: Pick<Session, 'wireRows'> = {
    wireRows(text, values, name, onRow) {
      statements.push(name)
      return session.wireRows(text, values, name, onRow)
    },
  }
  const share = { lane: 0, lanes: 1 }
  const progress = { last: '3:3:', page: null }
  const source = new PollingSource({
    session: seen,
    tables: tables(),
    share,
    progress,
    pageRows: 100,
    pageBytes: 10_000,
  })
  const read = async () => {
    const { entries, due } = await source.read()
    return { keys: entries.map(({ keyText }) => keyText), due, statement: statements.at(-1) }
  }
  await until(async () => (await read()).statement === 'oncebox_probe', { what: 'the source to notice' })
  return {
    at,
    read,
    async [Symbol.asyncDispose]() {
      session.close()
      await at[Symbol.asyncDispose]()
    },
  }
}

const emit = (key: string) => ({ text: `select oncebox.emit('t', $1, 'x', 'text'::text)`, values: [key] })

describe('while nobody writes, a look at the snapshot stands for a window', () => {
  test('G1 and G2: until a transaction that was running all the time ends, in whichever way', async () => {
    await using quiet = await quietSource()
    const { at, read } = quiet
    const [early, late, undone] = [await at.open(), await at.open(), await at.open()]
    for (const client of [early, late, undone]) await client.query('begin')
    await early.query(emit('early'))
    await late.query(emit('late'))
    await undone.query(emit('undone'))
    const other = await at.open()
    await other.query(emit('other'))
    expect((await read()).keys).toEqual(['other'])
    await until(async () => (await read()).statement === 'oncebox_probe', { what: 'the source to notice again' })
    await late.query('commit')
    expect(await read()).toMatchObject({ keys: ['late'], statement: 'oncebox_window' })
    await undone.query('rollback')
    expect((await read()).keys).toEqual([])
    await until(async () => (await read()).statement === 'oncebox_probe', { what: 'the source to notice again' })
    await early.query('commit')
    expect((await read()).keys).toEqual(['early'])
  })

  test('and tells when a message has come due', async () => {
    await using quiet = await quietSource()
    await quiet.at.query(
      `insert into oncebox.scheduled (due_at, id, source, topic, key, type)
      values (clock_timestamp() + interval '300 ms', gen_random_uuid(), 's', 't', 'k', 'x')`,
    )
    await until(async () => (await quiet.read()).due, { what: 'the message to be due' })
  })
})
