import type { SpanContext, TraceApi } from './traceApi.js'

/** What most SDKs keep of a span: more links would be dropped there. */
export const mostLinks = 128

const sampledFlag = 1
/** W3C Trace Context, version 00: version, trace id, parent id, flags. */
const format = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** The headers of a message that say which span it comes from (W3C Trace Context). */
export interface TraceHeaders {
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
}

/** The context that the headers name, if there is one and its trace is sampled; null for all others. */
export function sampledContext(api: TraceApi, headers: TraceHeaders): SpanContext | null {
  const [, traceId = '', spanId = '', flags = ''] = format.exec(headers.traceparent ?? '') ?? []
  if ((Number.parseInt(flags, 16) & sampledFlag) === 0) return null
  const context = { traceId, spanId, traceFlags: sampledFlag, isRemote: true }
  if (!api.isSpanContextValid(context)) return null
  const { tracestate = '' } = headers
  return tracestate === '' ? context : { ...context, traceState: api.createTraceState(tracestate) }
}

/** A link to each sampled message, up to what a span keeps. `headersOf`: undefined for a message that is not to be linked. */
export function linksTo<Each>(
  api: TraceApi,
  messages: Iterable<Each>,
  headersOf: (message: Each) => TraceHeaders | undefined,
): { readonly context: SpanContext }[] {
  const links: { readonly context: SpanContext }[] = []
  for (const message of messages) {
    const headers = headersOf(message)
    const context = headers === undefined ? null : sampledContext(api, headers)
    if (context === null) continue
    links.push({ context })
    if (links.length === mostLinks) break
  }
  return links
}
