import type { Message } from '@oncebox/core'
import {
  currentTracing,
  errorType,
  failSpan,
  linksTo,
  messagingSystem,
  type SpanAttributes,
} from '@oncebox/core/tracing'
import type { Item } from './decode.js'
import type { Failure } from './failure.js'
import { outcomeOf } from './outcome.js'

/** Whose spans they are. */
export interface SpanOwner {
  readonly group: string
  /** The subscriber's name. */
  readonly transport: string
}

/**
 * Runs one transaction over the messages of a partition inside a span of its own, where somebody records spans: linked to
 * the sampled ones, and active, so that it holds what the batch handlers and the driver do.
 */
export async function processInSpan(
  items: readonly Item[],
  owner: SpanOwner,
  transact: () => Promise<Failure | null>,
): Promise<Failure | null> {
  const tracing = currentTracing()
  const first = items[0]?.record
  if (tracing === null || first === undefined) return transact()
  const { api, tracer } = tracing
  const links = linksTo(api, items, ({ verdict }) => (verdict.kind === 'run' ? verdict.message.headers : undefined))
  const attributes = { ...placeOf(first, owner), 'messaging.batch.message_count': items.length }
  const options = { kind: api.SpanKind.CONSUMER, attributes: { ...attributes, ...operation('process') }, links }
  const span = tracer.startSpan(`process ${first.topic}`, options, api.ROOT_CONTEXT)
  try {
    const failure = await api.context.with(api.trace.setSpan(api.ROOT_CONTEXT, span), transact)
    if (failure !== null) {
      span.setAttributes({ 'oncebox.failure': failure.kind })
      if ('error' in failure && outcomeOf(failure.error) === null) failSpan(api, span, errorType(failure.error))
    }
    return failure
  } finally {
    span.end()
  }
}

/**
 * Calls the handler of one message inside a span that continues the message's trace, and with it active, so that what the
 * handler emits continues it too. A message without a trace is part of its transaction's.
 */
export async function handleInSpan(
  message: Message,
  attempt: number,
  owner: SpanOwner,
  handle: () => unknown,
): Promise<unknown> {
  const tracing = currentTracing()
  if (tracing === null) return handle()
  const { api, tracer } = tracing
  const transaction = api.trace.getSpanContext(api.context.active())
  const told = api.propagation.extract(api.ROOT_CONTEXT, message.headers)
  const parent = api.trace.getSpanContext(told) === undefined ? api.context.active() : told
  const attributes: SpanAttributes = {
    ...placeOf(message, owner),
    ...operation('handle'),
    'messaging.message.id': message.id,
    'cloudevents.event_id': message.id,
    'cloudevents.event_type': message.type,
    'oncebox.attempt': attempt,
    ...(message.offset === null ? {} : { 'messaging.kafka.offset': Number(message.offset) }),
  }
  const links = transaction === undefined || parent !== told ? [] : [{ context: transaction }]
  const options = { kind: api.SpanKind.CONSUMER, attributes, links }
  const span = tracer.startSpan(`handle ${message.topic}`, options, parent)
  try {
    const answer = await api.context.with(api.trace.setSpan(parent, span), async () => handle())
    const outcome = outcomeOf(answer)
    if (outcome !== null) span.setAttributes({ 'oncebox.outcome': outcome.kind })
    return answer
  } catch (error) {
    const outcome = outcomeOf(error)
    if (outcome === null) failSpan(api, span, errorType(error))
    else span.setAttributes({ 'oncebox.outcome': outcome.kind })
    throw error
  } finally {
    span.end()
  }
}

function operation(name: string): SpanAttributes {
  return { 'messaging.operation.name': name, 'messaging.operation.type': 'process' }
}

function placeOf(
  { topic, partition }: { readonly topic: string; readonly partition: number },
  { group, transport }: SpanOwner,
): SpanAttributes {
  return {
    'messaging.system': messagingSystem(transport),
    'messaging.consumer.group.name': group,
    'messaging.destination.name': topic,
    'messaging.destination.partition.id': String(partition),
  }
}
