import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createOutbox } from '@oncebox/outbox'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { type Context, context, propagation, ROOT_CONTEXT, type TextMapPropagator, trace } from '@opentelemetry/api'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { empty, inTransaction, migratedDatabase, outboxRows } from './kit.js'

// The API without an SDK traces nothing, so the test brings the two parts of one that the outbox meets.
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const w3c: TextMapPropagator<Record<string, string>> = {
  inject(active, carrier) {
    const span = trace.getSpanContext(active)
    if (span === undefined) return
    carrier.traceparent = `00-${span.traceId}-${span.spanId}-01`
    carrier.tracestate = 'vendor=1'
    carrier.baggage = 'user=4711'
  },
  extract: (active) => active,
  fields: () => ['traceparent', 'tracestate', 'baggage'],
}
let active: Context = ROOT_CONTEXT
const contextManager = {
  active: () => active,
  with: () => {
    throw new Error('not used')
  },
  bind: <T>(_: Context, target: T) => target,
  enable() {
    return this
  },
  disable() {
    return this
  },
}

describe('trace context', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await migratedDatabase()
    propagation.setGlobalPropagator(w3c)
    context.setGlobalContextManager(contextManager)
  })
  beforeEach(() => {
    active = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      traceFlags: 1,
    })
    return empty(database)
  })
  afterEach(() => {
    active = ROOT_CONTEXT
  })
  afterAll(async () => {
    propagation.disable()
    context.disable()
    await database?.drop()
  })

  const outbox = createOutbox({ source: 'shop' })
  const message = { topic: 't', type: 'x', data: 1 }
  const headers = async () => (await outboxRows(database)).map((row) => row.headers)

  it('of the caller goes into the headers, and nothing else of it', async () => {
    await inTransaction(database, async (_, tx) => {
      await outbox.emit(tx, message)
      await outbox.emit(tx, { ...message, headers: { tenant: 't' } })
      await outbox.emitMany(tx, [message])
    })
    const traced = { traceparent, tracestate: 'vendor=1' }
    expect(await headers()).toEqual([traced, { ...traced, tenant: 't' }, traced])
  })

  it("gives way to the user's own, whole", async () => {
    const own = { traceparent: '00-own' }
    await inTransaction(database, (_, tx) => outbox.emit(tx, { ...message, headers: own }))
    expect(await headers()).toEqual([own])
  })

  it('leaves no headers where there is no span', async () => {
    active = ROOT_CONTEXT
    await inTransaction(database, (_, tx) => outbox.emit(tx, message))
    expect(await headers()).toEqual([null])
  })

  it("is nobody's business where @opentelemetry/api is not installed: everything works without it", async () => {
    const home = await realpath(await mkdtemp(join(tmpdir(), 'oncebox-without-traces-')))
    try {
      await installWithoutTraces(home)
      const script = join(home, 'producer.mjs')
      await writeFile(
        script,
        `import pg from 'pg'
        import { currentTracing, loadTraceApi, outsideTraces } from '@oncebox/core/tracing'
        import { createOutbox } from '@oncebox/outbox'
        const installed = await import('@opentelemetry/api').then(() => true, () => false)
        const client = new pg.Client({ connectionString: process.argv[2] })
        await client.connect()
        const outbox = createOutbox({ source: 'shop' })
        await client.query('begin')
        await outbox.emit(client, { topic: 't', type: 'x', key: 'first', data: 1 })
        await outbox.emitMany(client, [{ topic: 't', type: 'x', key: 'second', data: 1 }])
        await client.query('commit')
        await client.end()
        // What relay and consumer do.
        await loadTraceApi()
        console.log(JSON.stringify({ installed, tracing: currentTracing(), ran: outsideTraces(() => 'ran') }))`,
      )
      const { stdout } = await promisify(execFile)(process.execPath, [script, database.url], {
        cwd: home,
        timeout: 20_000,
      })
      expect(JSON.parse(stdout)).toEqual({ installed: false, tracing: null, ran: 'ran' })
      expect((await outboxRows(database)).map((row) => [row.key, row.headers])).toEqual([
        ['first', null],
        ['second', null],
      ])
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  })
})

/** A directory with our two packages and pg, as a service without tracing has them installed. */
async function installWithoutTraces(home: string): Promise<void> {
  const modules = join(home, 'node_modules')
  await mkdir(join(modules, '@oncebox'), { recursive: true })
  const here = dirname(fileURLToPath(import.meta.url))
  for (const name of ['core', 'outbox']) {
    const from = join(here, '../..', name)
    for (const part of ['package.json', 'dist']) {
      await cp(join(from, part), join(modules, '@oncebox', name, part), { recursive: true })
    }
  }
  await symlink(await realpath(join(here, '../node_modules/pg')), join(modules, 'pg'))
  await symlink(await realpath(join(here, '../../core/node_modules/uuid')), join(modules, 'uuid'))
}
