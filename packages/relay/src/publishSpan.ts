import { currentTracing, failSpan, linksTo, messagingSystem, type SpanAttributes } from '@oncebox/core/tracing'
import type { PublishOutcome } from '@oncebox/transport'
import type { Entry } from './entry.js'

/**
 * Runs one publish inside a span of its own, where somebody records spans: linked to the sampled messages, and a child of
 * the first of them, so that it is recorded whenever one of its messages is.
 */
export async function publishInSpan(
  entries: readonly Entry[],
  transport: string,
  publish: () => Promise<PublishOutcome[]>,
): Promise<PublishOutcome[]> {
  const tracing = currentTracing()
  if (tracing === null) return publish()
  const { api, tracer } = tracing
  const links = linksTo(api, entries, (entry) => entry)
  const parent =
    links[0] === undefined ? api.ROOT_CONTEXT : api.trace.setSpanContext(api.ROOT_CONTEXT, links[0].context)
  const topic = onlyTopic(entries)
  const attributes: SpanAttributes = {
    'messaging.system': messagingSystem(transport),
    'messaging.operation.name': 'publish',
    'messaging.operation.type': 'send',
    'messaging.batch.message_count': entries.length,
    ...(topic === null ? {} : { 'messaging.destination.name': topic }),
  }
  const name = topic === null ? 'publish' : `publish ${topic}`
  const span = tracer.startSpan(name, { kind: api.SpanKind.PRODUCER, attributes, links }, parent)
  try {
    const outcomes = await publish()
    const unacked = span.isRecording() ? outcomes.filter(({ status }) => status !== 'acked') : []
    if (unacked.length > 0) {
      span.setAttributes({ 'oncebox.unacked_count': unacked.length })
      failSpan(api, span, unacked.find((outcome) => 'code' in outcome)?.code ?? 'TRANSPORT_FAILED')
    }
    return outcomes
  } finally {
    span.end()
  }
}

/** A batch may go to several topics; then it names none. */
function onlyTopic(entries: readonly Entry[]): string | null {
  const topic = entries[0]?.topic ?? null
  return entries.every((entry) => entry.topic === topic) ? topic : null
}
