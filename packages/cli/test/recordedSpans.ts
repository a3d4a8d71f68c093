import { context, propagation, SpanKind, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'

export interface RecordedSpans extends Disposable {
  /** Those that have ended, in that order. */
  all(): ReadableSpan[]
  named(name: string): ReadableSpan[]
}

/** Roots named `unsampled` are not recorded; everything else follows its parent, and is where there is none. */
const byName: Sampler = {
  shouldSample: (_context, _traceId, name) => ({
    decision: name === 'unsampled' ? SamplingDecision.NOT_RECORD : SamplingDecision.RECORD_AND_SAMPLED,
  }),
  toString: () => 'byName',
}

/** What an application does that traces: everything it records is kept here, until the end of the test. */
export function recordSpans(): RecordedSpans {
  const exporter = new InMemorySpanExporter()
  const sampler = new ParentBasedSampler({ root: byName })
  const provider = new TracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor({ exporter })] })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(provider)
  return {
    all: () => exporter.getFinishedSpans(),
    named: (name) => exporter.getFinishedSpans().filter((span) => span.name === name),
    [Symbol.dispose]() {
      trace.disable()
      propagation.disable()
      context.disable()
    },
  }
}

/** Runs `work` inside a span, as a request's handler would be. */
export async function inSpan<T>(name: string, work: () => Promise<T>): Promise<T> {
  return trace.getTracer('application').startActiveSpan(name, { kind: SpanKind.SERVER }, async (span) => {
    try {
      return await work()
    } finally {
      span.end()
    }
  })
}
