import type { WireRecord } from '@oncebox/core'
import type { SubscribeOptions } from '@oncebox/transport'
import type { Batch, KafkaMessage } from 'kafkajs'
import { fromClientHeaders } from './headers.js'

/** Cuts what a fetch brought for a partition into batches within the limits; a larger record comes alone. */
export function* batchesOf(
  batch: Pick<Batch, 'topic' | 'partition' | 'messages'>,
  limits: Pick<SubscribeOptions, 'maxRecords' | 'maxBytes'>,
): Generator<readonly WireRecord[]> {
  const { topic, partition, messages } = batch
  for (let start = 0; start < messages.length; ) {
    let end = start
    let bytes = 0
    while (end < messages.length && end - start < limits.maxRecords) {
      bytes += messages[end]?.value?.length ?? 0
      if (bytes > limits.maxBytes && end > start) break
      end++
    }
    yield messages.slice(start, end).map((message) => wireRecord(topic, partition, message))
    start = end
  }
}

function wireRecord(topic: string, partition: number, message: KafkaMessage): WireRecord {
  return {
    topic,
    partition,
    offset: message.offset,
    timestamp: Number(message.timestamp),
    key: message.key,
    value: message.value,
    headers: fromClientHeaders(message.headers),
  }
}
