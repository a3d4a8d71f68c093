import { type Connection, Writer } from '@platformatic/kafka'
import { ByteWriter } from './byteWriter.js'
import { type FetchResponse, parseFetchResponse } from './fetchResponse.js'
import type { FetchPlan, WantedPartition } from './fetchSession.js'

/** Fetch is API key 1; version 13 is the first with topic ids, and every broker since 3.1 speaks it. */
const fetchApiKey = 1
const fetchApiVersion = 13

const readCommitted = 1
const maxResponseBytes = 16_777_216

/** Sends one Fetch request (Kafka protocol, version 13) that waits up to `maxWaitMs` for the first record. */
export function fetch(connection: Connection, plan: FetchPlan, maxWaitMs: number): Promise<FetchResponse> {
  return new Promise((resolve, reject) => {
    const request = () => fetchRequest(plan, maxWaitMs)
    connection.send(fetchApiKey, fetchApiVersion, request, parseFetchResponse, true, true, (error, response) => {
      if (error !== null && error !== undefined) reject(error)
      else resolve(response as FetchResponse)
    })
  })
}

function fetchRequest(plan: FetchPlan, maxWaitMs: number): Writer {
  const out = new ByteWriter(256)
  out.int32(-1) // replica id: a consumer
  out.int32(maxWaitMs)
  out.int32(1) // bytes to wait for
  out.int32(maxResponseBytes)
  out.int8(readCommitted)
  out.int32(plan.sessionId)
  out.int32(plan.sessionEpoch)
  const topics = Map.groupBy(plan.wanted, (each) => each.topicId)
  out.unsignedVarint(topics.size + 1)
  for (const [topicId, partitions] of topics) {
    beginTopic(out, topicId, partitions.length)
    for (const each of partitions) writePartition(out, each)
    out.unsignedVarint(0) // no tagged fields
  }
  const forgotten = Map.groupBy(plan.forgotten, (each) => each.topicId)
  out.reserve(8)
  out.unsignedVarint(forgotten.size + 1)
  for (const [topicId, partitions] of forgotten) {
    beginTopic(out, topicId, partitions.length)
    for (const { partition } of partitions) out.int32(partition)
    out.unsignedVarint(0)
  }
  out.reserve(8)
  out.unsignedVarint(1) // no rack
  out.unsignedVarint(0)
  return Writer.create().append(out.buffer.subarray(0, out.position))
}

function beginTopic(out: ByteWriter, topicId: string, partitions: number): void {
  out.reserve(32 + partitions * 40)
  out.bytes(Buffer.from(topicId.replaceAll('-', ''), 'hex'))
  out.unsignedVarint(partitions + 1)
}

function writePartition(out: ByteWriter, { partition, fetchOffset, maxBytes }: WantedPartition): void {
  out.int32(partition)
  out.int32(-1) // leader epoch: not checked
  out.int64(BigInt(fetchOffset))
  out.int32(-1) // last fetched epoch: not checked
  out.int64(-1n) // log start: a replica's business
  out.int32(maxBytes)
  out.unsignedVarint(0)
}
