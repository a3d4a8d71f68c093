import { fileURLToPath } from 'node:url'
import { partitionOf } from '@oncebox/core'
import { kafka } from '@oncebox/kafka'
import { javaSourcesMissing, kafkaMissing, kafkaTool, testKafka, uniqueName } from '@oncebox/testkit/harness'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('ChoosePartitions.java', import.meta.url))
const missing = (await kafkaMissing()) ?? (await javaSourcesMissing())
const keyCount = 10_000
const partitionCounts = [1, 3, 7, 64]

const anyBytes = fc.nat(200).chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))
const anyText = fc.string({ unit: 'binary', maxLength: 50, size: 'max' }).map((text) => Buffer.from(text))
/** Letters with their marks, emoji with their joiners. */
const readableText = fc.string({ unit: 'grapheme', maxLength: 30, size: 'max' }).map((text) => Buffer.from(text))

describe.skipIf(missing !== undefined)('G4: the partition of a key', () => {
  const keys = [
    Buffer.alloc(0),
    ...fc.sample(fc.oneof(anyBytes, anyText, readableText), { seed: 2026, numRuns: keyCount - 1 }),
  ]
  beforeAll(testKafka, 120_000)

  it('is looked at with keys of every length, every byte and every plane of Unicode', () => {
    const texts = keys.map((key) => Buffer.from(key).toString())
    const planes = texts.flatMap((text) => Array.from(text, (sign) => (sign.codePointAt(0) as number) >> 16))
    expect(keys).toHaveLength(keyCount)
    const lengths = new Set(keys.map((key) => key.length))
    expect(Array.from({ length: 201 }, (_, length) => length).filter((length) => !lengths.has(length))).toEqual([])
    expect(new Set(keys.flatMap((key) => Array.from(key))).size).toBe(256)
    expect(new Set(planes).size).toBe(17)
  })

  it("is for 10,000 keys the one that Kafka's Java producer chooses", { timeout: 60_000 }, async () => {
    const { brokers } = await testKafka()
    const topics = partitionCounts.map((count) => ({ count, name: uniqueName(`partitions-${count}`) }))
    const transport = kafka({ brokers })
    for (const { name, count } of topics) await transport.createTopic(name, count)
    await transport.close()
    const input = keys.map((key) => `${Buffer.from(key).toString('base64')}\n`).join('')
    const { exitCode, stdout, stderr } = await kafkaTool(program, [brokers.join(), ...topics.map(({ name }) => name)], {
      input,
    })
    expect(exitCode, stderr).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(keyCount)
    const compared = keys.map((key, at) => ({
      key: Buffer.from(key).toString('hex'),
      java: lines[at]?.trimEnd(),
      ours: partitionCounts.map((count) => partitionOf(key, count)).join(' '),
    }))
    expect(compared.filter(({ java, ours }) => java !== ours).slice(0, 5)).toEqual([])
    const hit = partitionCounts.map((_, at) => new Set(lines.map((line) => line.split(' ')[at])).size)
    expect(hit).toEqual(partitionCounts)
  })
})
