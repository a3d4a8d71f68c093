import { isOnceboxError } from '../errors.js'
import { sqlState } from '../sqlstate.js'
import type { Span, TraceApi } from './traceApi.js'

const className = /^[A-Za-z_$][\w$]{0,99}$/

/** An error's code, SQLSTATE or class, as `error.type` of a span: never its text, which may quote a payload. */
export function errorType(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const code = isOnceboxError(error) ? error.code : sqlState(error)
  return code ?? (className.test(error.name) ? error.name : 'Error')
}

/** Marks a span as failed. `type`: a code. */
export function failSpan(api: TraceApi, span: Span, type: string): void {
  span.setAttributes({ 'error.type': type })
  span.setStatus({ code: api.SpanStatusCode.ERROR })
}

/** The name that OpenTelemetry has for a transport, by that of ours. */
export function messagingSystem(transport: string): string {
  return transport === 'kafkajs' ? 'kafka' : transport
}
