import { createServer, type Server, type Socket } from 'node:net'
import { startProxy } from '@oncebox/testkit'
import { testDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { Session } from '../dist/session.js'

/** A message of Postgres's protocol: type, length, body. */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** Lets every session in and ends it in the same piece of bytes, as a server does that is told to stop at that moment. */
async function closingServer(): Promise<Server> {
  const welcome = message('R', Buffer.alloc(4))
  const ready = message('Z', Buffer.from('I'))
  const farewell = message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0'))
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(Buffer.concat([welcome, ready, farewell])))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

test('a server that lets a session in and shuts down at once ends the session, not the process', async () => {
  const server = await closingServer()
  const { port } = server.address() as { port: number }
  const pool = new pg.Pool({ connectionString: `postgres://u@127.0.0.1:${port}/d`, max: 3 })
  const uncaught: unknown[] = []
  const onUncaught = (error: unknown) => uncaught.push(error)
  process.on('uncaughtException', onUncaught)
  try {
    await expect(Session.open(pool, { timeoutMs: 5_000 })).rejects.toThrow()
    expect(uncaught).toEqual([])
  } finally {
    process.off('uncaughtException', onUncaught)
    await pool.end()
    server.close()
  }
})

test('G1: a server that accepts a connection and says nothing is not waited for for ever', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => void sockets.push(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const pool = new pg.Pool({ connectionString: `postgres://u@127.0.0.1:${port}/d`, max: 3 })
  try {
    await expect(Session.open(pool, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' })
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
    await pool.end()
  }
})

test('G1: only windows may take as long as a window', async () => {
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const { hostname, port } = new URL(database.url)
  const wire = await startProxy({ target: { host: hostname, port: Number(port) } })
  onTestFinished(() => wire.close())
  const url = new URL(database.url)
  url.host = `127.0.0.1:${wire.port}`
  const pool = new pg.Pool({ connectionString: url.href, max: 1 })
  onTestFinished(() => pool.end())
  const session = await Session.open(pool, { timeoutMs: 3_000, wireTimeoutMs: 60_000 })
  onTestFinished(() => session.close())
  await session.wireRows('SELECT pg_sleep(4)', [], 'window', () => undefined)
  wire.pause()
  await expect(session.rows('SELECT 1')).rejects.toThrow('timeout')
  wire.resume()
})
