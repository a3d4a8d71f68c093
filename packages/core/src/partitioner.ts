/**
 * The 32-bit murmur2 hash of Kafka's default partitioner (org.apache.kafka.common.utils.Utils#murmur2),
 * so that every Kafka client puts a key in the partition we do. Of the bytes `from` up to `to`.
 */
export function murmur2(data: Uint8Array, from = 0, to = data.length): number {
  const length = to - from
  const m = 0x5bd1e995
  let h = 0x9747b28c ^ length
  const words = length >> 2
  for (let i = 0; i < words; i++) {
    const at = from + (i << 2)
    let k =
      (data[at] as number) |
      ((data[at + 1] as number) << 8) |
      ((data[at + 2] as number) << 16) |
      ((data[at + 3] as number) << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    k = Math.imul(k, m)
    h = Math.imul(h, m) ^ k
  }
  const tail = from + (words << 2)
  const rest = length & 3
  if (rest === 3) h ^= (data[tail + 2] as number) << 16
  if (rest >= 2) h ^= (data[tail + 1] as number) << 8
  if (rest >= 1) h = Math.imul(h ^ (data[tail] as number), m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  return h ^ (h >>> 15)
}

/** The partition of a key (bytes `from` up to `to`) among `partitions`, as Kafka's Java client computes it. */
export function partitionOf(key: Uint8Array, partitions: number, from = 0, to = key.length): number {
  return (murmur2(key, from, to) & 0x7fffffff) % partitions
}
