import { createContext } from 'preact'
import { useContext, useEffect, useState } from 'preact/hooks'
import type { Overview } from '../src/picture.js'

/** Rates at one moment, for the chart. */
export interface Point {
  /** Seconds since the Unix epoch. */
  readonly at: number
  readonly written: number
  readonly published: number
  /** Null where it is not known. */
  readonly handled: number | null
}

export interface Live {
  readonly overview: Overview | null
  readonly points: readonly Point[]
  /** Why there is nothing new; null while there is. */
  readonly trouble: string | null
}

const pointsKept = 600
const nothing: Live = { overview: null, points: [], trouble: null }

export const LiveContext = createContext<Live>(nothing)
export const useLive = (): Live => useContext(LiveContext)

/** Follows the server's pictures for as long as the page is open; the browser connects again by itself. */
export function useLiveFeed(): Live {
  const [live, setLive] = useState<Live>(nothing)
  useEffect(() => {
    const source = new EventSource('./api/live')
    source.addEventListener('overview', ({ data }) => {
      const overview = JSON.parse(data) as Overview
      setLive(({ points }) => ({ overview, points: withPoint(points, overview), trouble: null }))
    })
    source.addEventListener('failure', ({ data }) => {
      const { what } = JSON.parse(data) as { what: string }
      setLive((before) => ({ ...before, trouble: what }))
    })
    source.addEventListener('error', () => {
      setLive((before) => ({ ...before, trouble: 'The dashboard does not answer' }))
    })
    return () => source.close()
  }, [])
  return live
}

function withPoint(points: readonly Point[], { atMs, rates }: Overview): readonly Point[] {
  if (rates === null) return points
  const point = { at: atMs / 1000, written: rates.written, published: rates.published, handled: rates.effects }
  return [...points.slice(1 - pointsKept), point]
}
