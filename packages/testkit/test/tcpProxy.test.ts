import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { startProxy, type TcpProxy, until } from '@oncebox/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'

let echo: Server
let proxy: TcpProxy
const sockets: Socket[] = []

beforeEach(async () => {
  echo = createServer((socket) => void socket.on('error', () => undefined).pipe(socket))
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  proxy = await startProxy({ target: { host: '127.0.0.1', port: (echo.address() as AddressInfo).port } })
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await proxy.close()
  await new Promise((resolve) => echo.close(resolve))
})

function open(): { socket: Socket; received: () => string; closed: () => boolean } {
  const socket = connect(proxy.port, '127.0.0.1')
  sockets.push(socket)
  let text = ''
  let closed = false
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket
    .on('error', () => undefined)
    .on('close', () => {
      closed = true
    })
  return { socket, received: () => text, closed: () => closed }
}

const megabyte = 'x'.repeat(1_000_000)

test('passes bytes on in both directions, and the end of a stream', async () => {
  const { socket, received, closed } = open()
  socket.end(megabyte)
  await until(() => closed(), { what: 'the echo to end' })
  expect(received()).toBe(megabyte)
  await until(() => proxy.connections === 0, { what: 'the pair to be forgotten' })
})

test('cut() closes what is open, and lets new connections in', async () => {
  const first = open()
  first.socket.write('a')
  await until(() => first.received() === 'a', { what: 'the echo' })
  proxy.cut()
  await until(() => first.closed(), { what: 'the cut' })
  const second = open()
  second.socket.write('b')
  await until(() => second.received() === 'b', { what: 'the second echo' })
})

test('cutAfter() lets the beginning of the next chunk through, then cuts its connection', async () => {
  const first = open()
  first.socket.write('a')
  await until(() => first.received() === 'a', { what: 'the echo' })
  proxy.cutAfter(0)
  first.socket.write('never echoed')
  await until(() => first.closed(), { what: 'the cut' })
  expect(first.received()).toBe('a')
  const second = open()
  second.socket.write('b')
  await until(() => second.received() === 'b', { what: 'the second echo' })
})

test('refuse() closes new connections and leaves the open ones', async () => {
  const first = open()
  first.socket.write('a')
  await until(() => first.received() === 'a', { what: 'the echo' })
  proxy.refuse(true)
  const second = open()
  await until(() => second.closed(), { what: 'the refusal' })
  first.socket.write('b')
  await until(() => first.received() === 'ab', { what: 'the open connection to go on' })
  proxy.refuse(false)
  const third = open()
  third.socket.write('c')
  await until(() => third.received() === 'c', { what: 'the third echo' })
})

test('pause() holds everything back without closing, resume() passes it in order', async () => {
  const { socket, received, closed } = open()
  await once(socket, 'connect')
  proxy.pause()
  for (const part of ['a', 'b', 'c']) await new Promise((resolve) => socket.write(part, resolve))
  // Another connection is accepted meanwhile: that is what half-open means.
  await once(open().socket, 'connect')
  expect([received(), closed()]).toEqual(['', false])
  proxy.resume()
  await until(() => received() === 'abc', { what: 'the held bytes' })
})

test('delayMs delays every chunk in either direction', async () => {
  const { socket, received } = open()
  await once(socket, 'connect')
  proxy.delayMs = 40
  const start = performance.now()
  socket.write('a')
  await until(() => received() === 'a', { what: 'the echo' })
  expect(performance.now() - start).toBeGreaterThanOrEqual(75)
})

test('what was held back arrives after its client has ended, and after what came later on another connection', async () => {
  const arrived: string[] = []
  echo.on('connection', (socket: Socket) => socket.on('data', (chunk) => arrived.push(String(chunk))))
  const first = open()
  first.socket.write('a')
  await until(() => first.received() === 'a', { what: 'the echo' })
  proxy.holdBack()
  first.socket.write('last words')
  await until(() => proxy.heldBack === 1, { what: 'the last words to be held back' })
  first.socket.resetAndDestroy()
  const second = open()
  second.socket.write('b')
  await until(() => second.received() === 'b', { what: 'the second echo' })
  proxy.deliverLate()
  await until(() => arrived.includes('last words'), { what: 'what was held back' })
  expect(arrived).toEqual(['a', 'b', 'last words'])
  await until(() => proxy.connections === 1, { what: 'the first pair to be forgotten' })
})

test('a connection that was held back goes on', async () => {
  const first = open()
  first.socket.write('a')
  await until(() => first.received() === 'a', { what: 'the echo' })
  proxy.holdBack()
  first.socket.write('b')
  await until(() => proxy.heldBack === 1, { what: 'something to be held back' })
  expect(first.received()).toBe('a')
  proxy.deliverLate()
  await until(() => first.received() === 'ab', { what: 'what was held back' })
  first.socket.write('c')
  await until(() => first.received() === 'abc', { what: 'what comes later' })
})
