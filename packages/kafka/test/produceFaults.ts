import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** What becomes of the next Produce request. */
export type ProduceFault =
  /** The connection breaks and the broker never gets the request. */
  | 'cutBefore'
  /** The broker writes, and the connection breaks before its answer. */
  | 'cutAfter'
  /** The connection breaks in the middle of the answer. */
  | 'cutInside'
  /** The connection breaks and the request arrives at the broker when `deliverLate` is called. */
  | 'late'
  /** The connection stays, and the request goes nowhere. */
  | 'swallow'

export interface FaultProxy {
  readonly port: number
  /** Faults of the next Produce requests, in order. */
  readonly faults: (ProduceFault | 'none')[]
  /** Produce requests that came. */
  readonly requests: Buffer[]
  /** Sends the request that was held back and resolves to the broker's answer. */
  deliverLate(): Promise<Buffer>
  close(): Promise<void>
}

const produce = 0

/** A proxy that knows Kafka's frames (a 32-bit length, then the message) and breaks Produce requests on demand. */
export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const faults: (ProduceFault | 'none')[] = []
  const requests: Buffer[] = []
  const sockets = new Set<Socket>()
  let late: Buffer | undefined

  const server = createServer({ noDelay: true }, (client) => {
    const broker = connect({ host: '127.0.0.1', port: targetPort, noDelay: true })
    const cut = () => {
      client.destroy()
      broker.destroy()
    }
    /** The faults of requests whose answers are not here yet. */
    const pending: (ProduceFault | 'none')[] = []
    for (const socket of [client, broker]) {
      sockets.add(socket)
      socket.on('error', cut).on('close', cut)
    }
    client.on(
      'data',
      frames((frame) => {
        const fault = frame.readInt16BE(4) === produce ? (faults.shift() ?? 'none') : 'none'
        if (frame.readInt16BE(4) === produce) requests.push(frame)
        if (fault === 'swallow') return
        if (fault === 'late') late = frame
        if (fault === 'cutBefore' || fault === 'late') return cut()
        pending.push(fault)
        broker.write(frame)
      }),
    )
    broker.on(
      'data',
      frames((frame) => {
        const fault = pending.shift()
        if (fault === 'cutInside') client.write(frame.subarray(0, frame.length >> 1), () => cut())
        else if (fault === 'cutAfter') cut()
        else client.write(frame)
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  return {
    port: (server.address() as AddressInfo).port,
    faults,
    requests,
    deliverLate: () => exchange(targetPort, late as Buffer),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Sends one frame to a broker and resolves to the frame it answers with. */
export function exchange(port: number, frame: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const broker = connect({ host: '127.0.0.1', port })
    broker.on('error', reject)
    broker.on(
      'data',
      frames((answer) => {
        broker.destroy()
        resolve(answer)
      }),
    )
    broker.write(frame)
  })
}

function frames(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      onFrame(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
  }
}
