import type { SpanContext, TraceApi } from './traceApi.js'

/** What most SDKs keep of a span: more links would be dropped there. */
export const mostLinks = 128

const sampledFlag = 1
/** W3C Trace Context, version 00: version, trace id, parent id, flags. */
const format = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** The context that a `traceparent` names, if it is one and its trace is sampled; null for all others. */
export function sampledContext(api: TraceApi, traceparent: string): SpanContext | null {
  const [, traceId = '', spanId = '', flags = ''] = format.exec(traceparent) ?? []
  if ((Number.parseInt(flags, 16) & sampledFlag) === 0) return null
  const context = { traceId, spanId, traceFlags: sampledFlag, isRemote: true }
  return api.isSpanContextValid(context) ? context : null
}

/** A link to each sampled message, up to what a span keeps. */
export function linksTo<Each>(
  api: TraceApi,
  messages: Iterable<Each>,
  traceparentOf: (message: Each) => string | undefined,
): { readonly context: SpanContext }[] {
  const links: { readonly context: SpanContext }[] = []
  for (const message of messages) {
    const traceparent = traceparentOf(message)
    const context = traceparent === undefined ? null : sampledContext(api, traceparent)
    if (context === null) continue
    links.push({ context })
    if (links.length === mostLinks) break
  }
  return links
}
