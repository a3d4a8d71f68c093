import { createRequire } from 'node:module'
import { type AddressInfo, createServer } from 'node:net'
import kafkaClient from 'kafkajs'
import { expect, onTestFinished, test } from 'vitest'
import { mendResponseBuffers } from '../dist/responseBuffers.js'

const require = createRequire(import.meta.url)

/** A broker that breaks its first connection in the middle of a response, and answers on the others. */
async function startBroker() {
  let connections = 0
  const server = createServer((socket) => {
    const first = connections++ === 0
    socket.on('error', () => undefined)
    socket.on('data', (request) => {
      const answer = Buffer.alloc(14)
      answer.writeInt32BE(10, 0)
      answer.writeInt32BE(request.readInt32BE(8), 4)
      if (first) socket.end(answer.subarray(0, 9))
      else socket.write(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

test('a connection that broke in the middle of a response is used again as if it were new', async () => {
  mendResponseBuffers()
  mendResponseBuffers()
  const Connection = require('kafkajs/src/network/connection.js')
  const connection = new Connection({
    host: '127.0.0.1',
    port: await startBroker(),
    clientId: 'test',
    connectionTimeout: 5_000,
    requestTimeout: 5_000,
    socketFactory: require('kafkajs/src/network/socketFactory.js')(),
    logger: new kafkaClient.Kafka({ brokers: ['-:1'], logLevel: kafkaClient.logLevel.NOTHING }).logger(),
  })
  onTestFinished(() => connection.disconnect())
  const ask = () =>
    connection.send({
      request: require('kafkajs/src/protocol/requests/apiVersions/v0/request.js')(),
      response: require('kafkajs/src/protocol/requests/apiVersions/v0/response.js'),
    })
  await connection.connect()
  await expect(ask()).rejects.toMatchObject({ name: 'KafkaJSConnectionClosedError' })
  await connection.connect()
  expect(await ask()).toMatchObject({ errorCode: 0, apiVersions: [] })
})
