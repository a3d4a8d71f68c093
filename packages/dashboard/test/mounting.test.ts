import 'reflect-metadata'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { createDashboard, type Dashboard, nodeHandler } from '@oncebox/dashboard'
import { migrate } from '@oncebox/schema'
import { type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** Starts a server with the dashboard below /admin/oncebox; resolves with its origin and how to end it. */
type Mount = (open: (basePath?: string) => Dashboard) => Promise<{ origin: string; end: () => Promise<unknown> }>

const listening = async (server: Server): Promise<{ origin: string; end: () => Promise<unknown> }> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const end = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { origin: `http://127.0.0.1:${port}`, end }
}

const mounts: Record<string, Mount> = {
  'node:http': (open) => listening(createServer(nodeHandler(open('/admin/oncebox')))),

  Express: (open) => {
    const app = express()
    app.use('/admin/oncebox', nodeHandler(open()))
    return listening(createServer(app))
  },

  Fastify: async (open) => {
    const app = fastify()
    const handler = nodeHandler(open('/admin/oncebox'))
    // The handler reads bodies itself.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, _body, done) => done(null))
    const route = (request: { raw: Parameters<typeof handler>[0] }, reply: Hijackable) => {
      reply.hijack()
      return handler(request.raw, reply.raw)
    }
    app.all('/admin/oncebox', route)
    app.all('/admin/oncebox/*', route)
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    return { origin, end: () => app.close() }
  },

  Hono: (open) => {
    const app = new Hono()
    app.all('/admin/oncebox', (context) => context.redirect('/admin/oncebox/'))
    app.mount('/admin/oncebox', open().fetch)
    return listening(createServer(nodeHandler({ fetch: async (request) => app.fetch(request) })))
  },

  Nest: async (open) => {
    class AppModule {}
    Module({})(AppModule)
    const app = await NestFactory.create(AppModule, { logger: false, bodyParser: false })
    app.use('/admin/oncebox', nodeHandler(open()))
    await app.listen(0, '127.0.0.1')
    return { origin: (await app.getUrl()).replace('[::1]', '127.0.0.1'), end: () => app.close() }
  },
}

interface Hijackable {
  hijack(): unknown
  readonly raw: Parameters<ReturnType<typeof nodeHandler>>[1]
}

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
  const client = await database.pool.connect()
  await migrate(client)
  client.release()
})
afterAll(() => database?.drop())

test.each(Object.entries(mounts))('mounts below a path of %s: page, assets, answers and actions', async (_, mount) => {
  const access = () => ({ name: 'ada', mayAct: true })
  const { origin, end } = await mount((basePath) =>
    createDashboard({
      pool: database.pool,
      access,
      actions: true,
      ...(basePath === undefined ? {} : { basePath }),
    }),
  )
  try {
    // Without the slash at the end the page would look for its parts one folder too high.
    const page = await fetch(`${origin}/admin/oncebox`)
    expect(page.url).toBe(`${origin}/admin/oncebox/`)
    const script = /src="(\.\/assets\/[^"]+\.js)"/.exec(await page.text())?.[1] as string
    const asset = await fetch(new URL(script, page.url))
    expect([asset.status, asset.headers.get('content-type')]).toEqual([200, 'text/javascript; charset=utf-8'])
    await asset.text()
    expect(await (await fetch(new URL('./api/me', page.url))).json()).toMatchObject({ name: 'ada', mayAct: true })
    const action = await fetch(new URL('./api/actions/dead-letters/retry', page.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-oncebox-action': '1' },
      body: '{}',
    })
    expect([action.status, await action.json()]).toEqual([200, { numbers: [] }])
  } finally {
    await end()
  }
})
