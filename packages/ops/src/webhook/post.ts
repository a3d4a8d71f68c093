/** How one request ended. */
export type PostResult =
  | { readonly accepted: true }
  /** `reason`: a status or a code. `retryAfterMs`: what the receiver asked for. */
  | { readonly accepted: false; readonly reason: string; readonly retryAfterMs: number | null }

export interface PostRequest {
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** One POST. Never rejects. Redirects are not followed: nobody else gets what was signed for this receiver. */
export async function post({ url, body, headers, timeoutMs, signal }: PostRequest): Promise<PostResult> {
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  try {
    const response = await fetch(url, { method: 'POST', body, headers, redirect: 'manual', signal: inTime })
    await response.body?.cancel()
    if (response.ok) return { accepted: true }
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
    const retryAfterMs = seconds > 0 ? seconds * 1_000 : null
    return { accepted: false, reason: `HTTP ${response.status || 'redirect'}`, retryAfterMs }
  } catch (error) {
    return { accepted: false, reason: reasonOf(error), retryAfterMs: null }
  }
}

/** A code; the text of such an error names the address, which may hold a secret. */
function reasonOf(error: unknown): string {
  const cause = (error as { cause?: { code?: unknown } }).cause?.code
  return typeof cause === 'string' ? cause : error instanceof Error ? error.name : 'Error'
}
