import { partitionOf } from '@oncebox/core'
import type { OutgoingRecord, PublishOutcome } from '@oncebox/transport'
import type { ICustomPartitioner, Message, RecordMetadata, TopicMessages } from 'kafkajs'
import { asBuffer, toClientHeaders } from './headers.js'

/** Bytes that framing adds to a record and to each of its headers, rounded up. */
const recordOverhead = 24
const headerOverhead = 4

/** Cuts a call into requests, so that no partition gets more than `maxBytes` in one. Contiguous: order is kept. Pure. */
export function planRequests(records: readonly OutgoingRecord[], maxBytes: number): number[][] {
  const sum = records.reduce((bytes, record) => bytes + recordBytes(record), 0)
  if (sum <= maxBytes) return records.length === 0 ? [] : [records.map((_, index) => index)]
  const parts: number[][] = []
  let part: number[] = []
  let perPartition = new Map<string, number>()
  records.forEach((record, index) => {
    const bytes = recordBytes(record)
    const place = `${record.partition ?? ''} ${record.topic}`
    const own = perPartition.get(place) ?? 0
    if (own > 0 && own + bytes > maxBytes) {
      parts.push(part)
      part = []
      perPartition = new Map()
    }
    part.push(index)
    perPartition.set(place, (perPartition.get(place) ?? 0) + bytes)
  })
  if (part.length > 0) parts.push(part)
  return parts
}

/** How a refused request is cut: by topic, then by partition, then into halves. Pure. */
export function splitRequest(records: readonly OutgoingRecord[], part: readonly number[]): readonly number[][] {
  const at = (index: number) => records[index] as OutgoingRecord
  const byTopic = [...Map.groupBy(part, (index) => at(index).topic).values()]
  if (byTopic.length > 1) return byTopic
  const byPartition = [...Map.groupBy(part, (index) => at(index).partition).values()]
  if (byPartition.length > 1) return byPartition
  const middle = part.length >> 1
  return [part.slice(0, middle), part.slice(middle)]
}

/** One request of kafkajs, and which of its messages stands for which record. */
export interface ProduceRequest {
  readonly topicMessages: TopicMessages[]
  readonly messages: readonly Message[]
}

export function produceRequest(records: readonly OutgoingRecord[]): ProduceRequest {
  const byTopic = new Map<string, Message[]>()
  const messages = records.map((record) => {
    const message: Message = {
      key: record.key === null ? null : asBuffer(record.key),
      value: record.value === null ? null : asBuffer(record.value),
      headers: toClientHeaders(record.headers),
    }
    if (record.partition !== null) message.partition = record.partition
    const own = byTopic.get(record.topic)
    if (own === undefined) byTopic.set(record.topic, [message])
    else own.push(message)
    return message
  })
  return { topicMessages: [...byTopic].map(([topic, own]) => ({ topic, messages: own })), messages }
}

/** So many records without a key go to one partition before the next has its turn: larger record batches. */
const runLength = 100

/**
 * The partitioner for records that come without a partition: a key's own, and any for those without a key. The choice is written into the message, so that its outcome can be found afterwards.
 */
export const notePartition: ICustomPartitioner = () => {
  let turn = 0
  return ({ message, partitionMetadata }) => {
    if (message.partition === undefined) {
      const { key } = message
      const count = partitionMetadata.length
      const keyless = key === null || key === undefined
      message.partition = keyless ? Math.floor(turn++ / runLength) % count : partitionOf(Buffer.from(key), count)
    }
    return message.partition
  }
}

/**
 * Matches the broker's answer with the records. kafkajs drops messages for a partition that the topic does not have
 * without a word: those have no answer, and are `failed`.
 */
export function requestOutcomes(
  records: readonly OutgoingRecord[],
  request: ProduceRequest,
  answers: readonly RecordMetadata[],
): PublishOutcome[] {
  const bases = new Map<string, Map<number, number>>()
  for (const { topicName, partition, baseOffset } of answers) {
    const topic = bases.get(topicName) ?? new Map<number, number>()
    topic.set(partition, Number(baseOffset ?? 0))
    bases.set(topicName, topic)
  }
  return records.map((record, index): PublishOutcome => {
    const partition = request.messages[index]?.partition
    const topic = bases.get(record.topic)
    const offset = partition === undefined ? undefined : topic?.get(partition)
    if (topic === undefined || partition === undefined || offset === undefined) {
      return {
        status: 'failed',
        code: 'TRANSPORT_FAILED',
        reason: 'the topic has no such partition, or it has no leader',
      }
    }
    topic.set(partition, offset + 1)
    return { status: 'acked', partition, offset: Number(offset) }
  })
}

function recordBytes(record: OutgoingRecord): number {
  let bytes = recordOverhead + (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const [name, value] of record.headers) bytes += headerOverhead + name.length + value.length
  return bytes
}
