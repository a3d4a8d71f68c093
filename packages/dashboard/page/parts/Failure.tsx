import type { Refused } from '../api.ts'

/** Why something cannot be shown, and what to do about it. */
export function Failure({ failure }: { failure: Refused }) {
  return (
    <p class="banner" role="alert">
      {failure.message}.{failure.next !== null && ` ${failure.next}`} <code>{failure.code}</code>
    </p>
  )
}
