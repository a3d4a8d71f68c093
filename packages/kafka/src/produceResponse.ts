import type { Reader } from '@platformatic/kafka'

/** What a broker said of one partition's batch. */
export interface PartitionResult {
  readonly topic: string
  readonly partition: number
  /** Kafka protocol error code; 0: written and replicated. */
  readonly errorCode: number
  /** Offset of the batch's first record; -1 when the broker does not say. */
  readonly baseOffset: bigint
}

/** Parses a Produce response of version 9. Unlike the client library's parser it throws on no error code. */
export function parseProduceResponse(
  _correlationId: number,
  _apiKey: number,
  _apiVersion: number,
  reader: Reader,
): PartitionResult[] {
  const results: PartitionResult[] = []
  reader.readArray(
    (topicReader) => {
      const topic = topicReader.readString()
      topicReader.readArray(
        (partitionReader) => {
          const partition = partitionReader.readInt32()
          const errorCode = partitionReader.readInt16()
          const baseOffset = partitionReader.readInt64()
          partitionReader.readInt64() // log append time
          partitionReader.readInt64() // log start offset
          partitionReader.readArray(
            (recordReader) => {
              recordReader.readInt32()
              recordReader.readNullableString()
              recordReader.readTaggedFields()
            },
            true,
            false,
          )
          partitionReader.readNullableString() // error text
          partitionReader.readTaggedFields()
          results.push({ topic, partition, errorCode, baseOffset })
        },
        true,
        false,
      )
      topicReader.readTaggedFields()
    },
    true,
    false,
  )
  reader.readInt32() // throttle time
  reader.readTaggedFields()
  return results
}
