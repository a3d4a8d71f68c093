import type { Reader } from '@platformatic/kafka'
import { ByteReader } from './byteReader.js'
import type { AbortedTransaction } from './recordBatchReader.js'

export interface FetchedPartition {
  readonly topicId: string
  readonly partition: number
  /** Kafka protocol error code. */
  readonly errorCode: number
  readonly aborted: readonly AbortedTransaction[]
  /** Record batches as they stand in the log. */
  readonly records: Buffer
}

export interface FetchResponse {
  /** Of the whole request: the fetch session's. */
  readonly errorCode: number
  readonly sessionId: number
  readonly partitions: readonly FetchedPartition[]
}

/** Parses a Fetch response of version 13 and leaves the records undecoded. */
export function parseFetchResponse(_id: number, _key: number, _version: number, reader: Reader): FetchResponse {
  const message = new ByteReader(reader.buffer.slice(reader.position, reader.buffer.length))
  message.int32() // throttle time
  const errorCode = message.int16()
  const sessionId = message.int32()
  const partitions: FetchedPartition[] = []
  message.compactArray(() => {
    const topicId = message.uuid()
    message.compactArray(() => partitions.push(parsePartition(topicId, message)))
    message.skipTaggedFields()
  })
  message.skipTaggedFields()
  return { errorCode, sessionId, partitions }
}

function parsePartition(topicId: string, message: ByteReader): FetchedPartition {
  const partition = message.int32()
  const errorCode = message.int16()
  message.position += 24 // high watermark, last stable offset, log start
  const aborted = message.compactArray((): AbortedTransaction => {
    const transaction = { producerId: message.int64(), firstOffset: message.safeInt64() }
    message.skipTaggedFields()
    return transaction
  })
  message.int32() // preferred read replica: only with a rack
  const records = message.compactBytes()
  message.skipTaggedFields()
  return { topicId, partition, errorCode, aborted, records }
}
