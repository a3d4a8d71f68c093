/** What every answer carries: nothing from elsewhere is loaded, no frame shows it, nothing is kept. */
export const safetyHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
}

/** Sent by the page with every action: a page of another site cannot, without a preflight that is never answered. */
export const actionHeader = 'x-oncebox-action'

/** Pure. Whether an action comes from the page itself, and from no page of another site. */
export function fromOwnPage(headers: Headers, requestUrl: string): boolean {
  if (headers.get(actionHeader) !== '1') return false
  if (!/^application\/json\b/.test(headers.get('content-type') ?? '')) return false
  const site = headers.get('sec-fetch-site')
  if (site !== null && site !== 'same-origin') return false
  const origin = headers.get('origin')
  return origin === null || hostOf(origin) === (headers.get('host') ?? new URL(requestUrl).host)
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null
}
