import { Writer } from '@platformatic/kafka'
import { ByteWriter } from './byteWriter.js'

/** A record batch on its way to one partition. `bytes` stay untouched until the batch is resolved. */
export interface PartitionBatch {
  readonly topic: string
  readonly partition: number
  readonly bytes: Buffer
}

/** Produce is API key 0; version 9 is the first with compact encoding, and every broker since 2.8 speaks it. */
export const produceApiKey = 0
export const produceApiVersion = 9

const acksAll = -1

/** The body of one Produce request with all partitions of a broker (Kafka protocol, Produce Request version 9). */
export function produceRequest(batches: readonly PartitionBatch[], timeoutMs: number): Writer {
  const byTopic = new Map<string, PartitionBatch[]>()
  for (const batch of batches) {
    const known = byTopic.get(batch.topic)
    if (known === undefined) byTopic.set(batch.topic, [batch])
    else known.push(batch)
  }

  const body = Writer.create()
  const out = new ByteWriter(1024)
  const flush = () => {
    body.append(Buffer.from(out.buffer.subarray(0, out.position)))
    out.reset()
  }
  out.unsignedVarint(0) // no transactional id
  out.int16(acksAll)
  out.int32(timeoutMs)
  out.unsignedVarint(byTopic.size + 1)
  for (const [topic, partitions] of byTopic) {
    out.compactString(topic)
    out.reserve(16)
    out.unsignedVarint(partitions.length + 1)
    for (const { partition, bytes } of partitions) {
      out.reserve(16)
      out.int32(partition)
      out.unsignedVarint(bytes.length + 1)
      flush()
      body.append(bytes)
      out.unsignedVarint(0) // no tagged fields of the partition
    }
    out.unsignedVarint(0) // none of the topic
  }
  out.unsignedVarint(0) // none of the request
  flush()
  return body
}
