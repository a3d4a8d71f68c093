import {
  defineMessages,
  isOnceboxError,
  type MessageContracts,
  type MessageData,
  type MessageInput,
  topicNameProblem,
  validateData,
} from '@oncebox/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

const OrderCreated = z.object({ id: z.string(), total: z.number(), at: z.string().transform((text) => new Date(text)) })
const messages = defineMessages({
  'order.created': { topic: 'orders', schema: OrderCreated, key: (order) => order.id },
  'page.viewed': { topic: 'pages', schema: z.object({ url: z.string() }) },
})

function failure(action: () => unknown): { code: string; message: string } {
  try {
    action()
  } catch (error) {
    expect(isOnceboxError(error)).toBe(true)
    return error as unknown as { code: string; message: string }
  }
  throw new Error('did not throw')
}

describe('message contracts', () => {
  it('infer the input for producers and the output for handlers and keys from the schema', () => {
    type Messages = typeof messages
    expectTypeOf<MessageInput<Messages, 'order.created'>>().toEqualTypeOf<{ id: string; total: number; at: string }>()
    expectTypeOf<MessageData<Messages, 'order.created'>>().toEqualTypeOf<{ id: string; total: number; at: Date }>()
    expectTypeOf<keyof Messages>().toEqualTypeOf<'order.created' | 'page.viewed'>()
    expectTypeOf(messages).toExtend<MessageContracts>()
    defineMessages({
      // @ts-expect-error: the key is made of the schema's output, which has no such property
      bad: { topic: 't', schema: OrderCreated, key: (order) => order.nothing },
    })
    expect(messages['order.created'].topic).toBe('orders')
  })

  it('give the output of the schema', () => {
    const at = '2026-11-22T00:00:00.000Z'
    const data = validateData('order.created', OrderCreated, { id: 'a', total: 1, at, extra: true })
    expect(data).toEqual({ id: 'a', total: 1, at: new Date(at) })
  })

  it('refuse data that does not fit, naming paths and no values', () => {
    const { code, message } = failure(() => validateData('order.created', OrderCreated, { id: 4711, at: 'x' }))
    expect(code).toBe('SCHEMA_MISMATCH')
    expect(message).toContain('"order.created" does not fit its schema at id, total')
    expect(message).not.toContain('4711')
    expect(failure(() => validateData('t', OrderCreated, null)).message).toContain('(root)')
  })

  it('refuse a schema that answers later, and leave no unhandled rejection behind', async () => {
    const later = {
      '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('late')) },
    } satisfies StandardSchemaV1
    expect(failure(() => validateData('t', later, 1)).code).toBe('INVALID_SETTING')
    const refined = z.string().refine(async () => true)
    expect(failure(() => validateData('t', refined, 'x')).code).toBe('INVALID_SETTING')
    await new Promise((resolve) => setImmediate(resolve))
  })

  it.each(['', '.', '..', 'a b', 'ä', 'a/b', 'a\n', 'x'.repeat(250)])('refuse the topic name %j', (topic) => {
    expect(topicNameProblem(topic)).not.toBeNull()
    expect(failure(() => defineMessages({ t: { topic, schema: OrderCreated } })).code).toBe('INVALID_SETTING')
  })

  it.each(['a', '...', 'A-z_0.9', 'x'.repeat(249)])('take the topic name %j', (topic) => {
    expect(topicNameProblem(topic)).toBeNull()
  })
})
