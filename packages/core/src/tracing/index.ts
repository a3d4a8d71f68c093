// What tracing needs of OpenTelemetry's API, where an application has it.
export { errorType, failSpan, messagingSystem } from './spanFields.js'
export type { Span, SpanAttributes, SpanContext, TraceApi, TraceScope, TraceState, Tracing } from './traceApi.js'
export { currentTracing, loadTraceApi, outsideTraces } from './traceApi.js'
export type { TraceHeaders } from './traceLinks.js'
export { linksTo } from './traceLinks.js'
