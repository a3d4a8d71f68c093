import { connect } from 'node:net'

const metadataKey = 3
const metadataVersion = 1

/**
 * Asks a broker for its cluster (Kafka protocol, Metadata request version 1, no topics). True when it answers that at
 * least one broker serves; false when nobody listens or the answer does not come within `deadlineMs`.
 */
export function kafkaServes(port: number, deadlineMs = 1_000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const answer = (value: boolean): void => {
      socket.destroy()
      resolve(value)
    }
    let received = Buffer.alloc(0)
    socket.setTimeout(deadlineMs, () => answer(false))
    socket.on('error', () => answer(false))
    socket.on('end', () => answer(false))
    socket.on('connect', () => socket.write(metadataRequest()))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      // Size, correlation id, then the brokers' number: four bytes each.
      if (received.length >= 12) answer(received.readInt32BE(8) > 0)
    })
  })
}

function metadataRequest(): Buffer {
  const client = Buffer.from('oncebox-testkit')
  const request = Buffer.alloc(4 + 2 + 2 + 4 + 2 + client.length + 4)
  request.writeInt32BE(request.length - 4, 0)
  request.writeInt16BE(metadataKey, 4)
  request.writeInt16BE(metadataVersion, 6)
  request.writeInt32BE(1, 8)
  request.writeInt16BE(client.length, 12)
  client.copy(request, 14)
  // An array of no topics asks about the cluster only.
  request.writeInt32BE(0, 14 + client.length)
  return request
}
