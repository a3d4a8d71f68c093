/** Which span of which trace a message belongs to, in lower-case hexadecimal (W3C Trace Context, "traceparent"). */
export interface TraceReference {
  readonly traceId: string
  readonly spanId: string
}

const sampledParent = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f][13579bdf]/
const zeros = /^0+$/

/** The trace that a `traceparent` names, null when it is not sampled, not valid or not there: for exemplars. */
export function sampledTrace(traceparent: string | undefined): TraceReference | null {
  const [, traceId = '', spanId = ''] = sampledParent.exec(traceparent ?? '') ?? []
  return traceId === '' || zeros.test(traceId) || zeros.test(spanId) ? null : { traceId, spanId }
}
