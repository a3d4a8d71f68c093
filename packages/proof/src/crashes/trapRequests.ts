import { Socket } from 'node:net'
import type { Trap } from './trap.js'

/**
 * Lets requests to Kafka pass the trap: a request begins with its length (32 bits) and its kind (16 bits), and is written
 * in one piece.
 */
export function trapRequests(port: number, trap: Trap): void {
  const write = Socket.prototype.write
  Socket.prototype.write = function (this: Socket, ...args: Parameters<typeof write>) {
    const [chunk] = args as readonly unknown[]
    const kind = this.remotePort === port && Buffer.isBuffer(chunk) && chunk.length > 6 ? chunk.readInt16BE(4) : -1
    const moment = kind === -1 ? undefined : trap.request(kind)
    if (moment === 'before') trap.spring()
    const answer = write.apply(this, args)
    if (moment === 'sent') trap.springOnceSent()
    return answer
  } as typeof write
}
