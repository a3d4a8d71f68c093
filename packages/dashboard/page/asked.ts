import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Refused } from './api.ts'

export interface Asked<T> {
  /** The newest answer; null until there is one. */
  readonly value: T | null
  readonly failure: Refused | null
  readonly asking: boolean
  readonly again: () => void
}

/** Asks the server now, whenever `about` changes, and every `everyMs` while the page is in sight. */
export function useAsked<T>(question: () => Promise<T>, about: readonly unknown[], everyMs?: number): Asked<T> {
  const [state, setState] = useState<Omit<Asked<T>, 'again'>>({ value: null, failure: null, asking: true })
  const turn = useRef(0)
  // The question is a new function at every drawing; what it is about decides.
  const again = useCallback(() => {
    turn.current += 1
    const mine = turn.current
    setState((before) => ({ ...before, asking: true }))
    question().then(
      (value) => mine === turn.current && setState({ value, failure: null, asking: false }),
      (failure: Refused) => mine === turn.current && setState(({ value }) => ({ value, failure, asking: false })),
    )
  }, about)
  useEffect(() => {
    again()
    if (everyMs === undefined) return
    const timer = setInterval(() => document.visibilityState === 'visible' && again(), everyMs)
    return () => clearInterval(timer)
  }, [again, everyMs])
  return { ...state, again }
}
