import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly body: string
  readonly headers: IncomingMessage['headers']
  readonly notices: { problem: string; count: number; [field: string]: unknown }[]
  readonly id: string
}

export interface Receiver extends AsyncDisposable {
  readonly url: string
  /** Requests that came, with whatever answer. */
  readonly requests: Received[]
  /** Those that were accepted, each once: one that is accepted too late for its sender comes again. */
  readonly accepted: Received[]
  /** How to answer from now on. `hang`: not at all. */
  answer: number | 'hang' | 'cut' | ((response: ServerResponse) => void)
}

/** A real HTTP server that keeps what it gets and answers as it is told. */
export async function startReceiver(): Promise<Receiver> {
  const requests: Received[] = []
  const accepted: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const received = { body, headers: request.headers, ...JSON.parse(body) } as Received
      requests.push(received)
      const { answer } = receiver
      if (answer === 'hang') return
      if (answer === 'cut') return void request.socket.destroy()
      if (typeof answer === 'function') return answer(response)
      if (answer < 300 && accepted.every(({ id }) => id !== received.id)) accepted.push(received)
      response.writeHead(answer).end('thank you')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/hook?token=canary`,
    requests,
    accepted,
    answer: 204,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return receiver
}
