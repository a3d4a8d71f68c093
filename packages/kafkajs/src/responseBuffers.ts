import { createRequire } from 'node:module'

interface Connection {
  chunks: Uint8Array[]
  bytesBuffered: number
  bytesNeeded: number
  isConnected(): boolean
  connect(): Promise<unknown>
}

/** Of the length that stands before each response. */
const lengthBytes = 4
const mended = Symbol.for('oncebox.kafkajs.responseBuffers')

/**
 * kafkajs 2.2.4 keeps the beginning of a response when its connection breaks in the middle, and uses the connection
 * again: what the next socket brings is read as the rest of it, lengths come out of anything, and a RangeError in a socket's
 * listener, which nobody can catch, ends the process. So whoever connects begins with empty buffers.
 */
export function mendResponseBuffers(): void {
  const require = createRequire(import.meta.url)
  const { prototype } = require('kafkajs/src/network/connection.js') as {
    prototype: Connection & { [mended]?: true }
  }
  if (prototype[mended]) return
  prototype[mended] = true
  const connect = prototype.connect
  prototype.connect = function (this: Connection) {
    if (!this.isConnected()) Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: lengthBytes })
    return connect.call(this)
  }
}
