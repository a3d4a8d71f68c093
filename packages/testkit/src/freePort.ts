import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

// Below every system's range of ephemeral ports: a server that is down between stop() and start() must find its port
// again, and an ephemeral one may meanwhile have become the local end of somebody's outgoing connection.
const lowest = 10_240
const highest = 32_000

/** A TCP port on 127.0.0.1 that nobody listens on now. Somebody may take it before you do; callers retry. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(lowest, highest)
    if (await canListen(port)) return port
  }
  throw new Error(`found no free TCP port between ${lowest} and ${highest}`)
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
