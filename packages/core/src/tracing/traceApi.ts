/** The part of `@opentelemetry/api` that is used, in its own words; the package is an optional peer. */
export interface TraceApi {
  readonly ROOT_CONTEXT: TraceScope
  readonly context: {
    active(): TraceScope
    with<T>(scope: TraceScope, work: () => T): T
  }
  readonly propagation: { extract(scope: TraceScope, carrier: Readonly<Record<string, string>>): TraceScope }
  readonly trace: {
    getTracerProvider(): TracerProvider
    getSpan(scope: TraceScope): Span | undefined
    getSpanContext(scope: TraceScope): SpanContext | undefined
    setSpan(scope: TraceScope, span: Span): TraceScope
    setSpanContext(scope: TraceScope, context: SpanContext): TraceScope
  }
  isSpanContextValid(context: SpanContext): boolean
  createTraceState(tracestate: string): TraceState
  readonly SpanKind: { readonly PRODUCER: number; readonly CONSUMER: number }
  readonly SpanStatusCode: { readonly ERROR: number }
}

/** A `Context` of OpenTelemetry: what is active, a span among it. */
export type TraceScope = { getValue(key: symbol): unknown }

/** What tells a span apart from all others: OpenTelemetry's `SpanContext`. */
export interface SpanContext {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
  readonly isRemote?: boolean
  readonly traceState?: TraceState
}

/** What tracing vendors told each other along a trace (W3C Trace Context, "tracestate"): OpenTelemetry's `TraceState`. */
export interface TraceState {
  serialize(): string
}

/** What is used of OpenTelemetry's `Span`. */
export interface Span {
  spanContext(): SpanContext
  isRecording(): boolean
  setAttributes(attributes: SpanAttributes): unknown
  setStatus(status: { code: number }): unknown
  end(): void
}

/** Attributes of a span, by OpenTelemetry's names. */
export type SpanAttributes = Readonly<Record<string, string | number>>

export interface SpanOptions {
  readonly kind: number
  readonly attributes: SpanAttributes
  readonly links: { readonly context: SpanContext }[]
}

export interface Tracer {
  startSpan(name: string, options: SpanOptions, scope: TraceScope): Span
}

interface TracerProvider {
  getTracer(name: string): Tracer
  /** Of the provider that stands in until an SDK registers one: undefined until then. */
  getDelegateTracer?(name: string): Tracer | undefined
}

/** Somebody records spans: what to make them with. */
export interface Tracing {
  readonly api: TraceApi
  readonly tracer: Tracer
}

const notInstalled: readonly unknown[] = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']

let loading: Promise<void> | undefined
let loaded: TraceApi | null = null

/**
 * Looks for `@opentelemetry/api`, once in the life of the process; until then, and where it is not installed, nothing is
 * traced. Rejects when it is installed and broken.
 */
export function loadTraceApi(): Promise<void> {
  loading ??= import('@opentelemetry/api').then(
    (api) => {
      loaded = api as unknown as TraceApi
    },
    (error: { code?: unknown }) => {
      if (!notInstalled.includes(error.code)) throw error
    },
  )
  return loading
}

/** What to make spans with; null where nobody records any, which costs next to nothing to find out. */
export function currentTracing(): Tracing | null {
  if (loaded === null) return null
  const provider = loaded.trace.getTracerProvider()
  const tracer =
    provider.getDelegateTracer === undefined ? provider.getTracer('oncebox') : provider.getDelegateTracer('oncebox')
  return tracer === undefined ? null : { api: loaded, tracer }
}

/**
 * Runs `work` in no trace: what goes on for as long as the process lives is no part of the span in which somebody
 * happened to start it.
 */
export function outsideTraces<T>(work: () => T): T {
  return loaded === null ? work() : loaded.context.with(loaded.ROOT_CONTEXT, work)
}
