type Carrier = Record<string, string>

/** What an SDK registered, in the shapes that `@opentelemetry/api` gives them (ContextManager, TextMapPropagator). */
interface Registered {
  readonly context?: { active(): unknown }
  readonly propagation?: { inject(context: unknown, carrier: Carrier, setter: TextMapSetter): void }
}

interface TextMapSetter {
  set(carrier: Carrier, name: string, value: string): void
}

/**
 * Where every copy of `@opentelemetry/api` 1.x in a process keeps what was registered, so that copies find each other.
 * Read here because it answers at once: an import would make the first `emit` of a process wait, and a COMMIT that was
 * sent right behind it overtake it.
 */
const registry = Symbol.for('opentelemetry.js.api.1')

const setter: TextMapSetter = {
  set(carrier, name, value) {
    carrier[name] = value
  },
}

/** `traceparent` and `tracestate` of the active context, null when there are none or nobody traces. */
export function traceContext(): Readonly<Record<string, string>> | null {
  const registered = (globalThis as { [registry]?: Registered })[registry]
  const context = registered?.context
  if (context === undefined || registered?.propagation === undefined) return null
  const carrier: Carrier = {}
  registered.propagation.inject(context.active(), carrier, setter)
  const { traceparent, tracestate } = carrier
  if (traceparent === undefined) return null
  // Other propagators' headers, baggage among them, may hold what nobody meant to store.
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate }
}
