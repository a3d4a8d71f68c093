/** The part of `@opentelemetry/api` that is used; the package itself is an optional peer. */
interface TraceApi {
  readonly context: { active(): unknown }
  readonly propagation: { inject(context: unknown, carrier: Record<string, string>): void }
}

const notInstalled = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

type Loaded = { readonly api: TraceApi | null } | { readonly failure: unknown }

let loading: Promise<Loaded> | undefined
let loaded: Loaded | undefined

/** Looks for `@opentelemetry/api`, once in the life of the process. */
export function loadTraceApi(): Promise<Loaded> {
  loading ??= import('@opentelemetry/api')
    .then(
      (api): Loaded => ({ api: api as unknown as TraceApi }),
      (error): Loaded => (notInstalled.has(error?.code) ? { api: null } : { failure: error }),
    )
    .then((result) => {
      loaded = result
      return result
    })
  return loading
}

/**
 * `traceparent` and `tracestate` of the active context, null when there are none or nobody traces. A promise only as
 * long as the API is being looked for.
 */
export function traceContext(): Readonly<Record<string, string>> | null | Promise<Record<string, string> | null> {
  return loaded === undefined ? loadTraceApi().then(inject) : inject(loaded)
}

function inject(result: Loaded): Record<string, string> | null {
  if ('failure' in result) throw result.failure
  if (result.api === null) return null
  const carrier: Record<string, string> = {}
  result.api.propagation.inject(result.api.context.active(), carrier)
  const { traceparent, tracestate } = carrier
  if (traceparent === undefined) return null
  // Other propagators' headers, baggage among them, may hold what nobody meant to store.
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate }
}
