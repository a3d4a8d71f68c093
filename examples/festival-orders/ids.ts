import { surviveConnectionLoss } from '@oncebox/core/pg'
import { segmentIds, uuidV7, withFallback } from '@oncebox/guards'
import pg from 'pg'

/**
 * Ids from the id service, and local ones while it is away. The segments are small and the rests short, so that a run of
 * seconds sees what otherwise takes minutes; the defaults are 1,000 ids and a second.
 */
export function openIds(connectionString: string, tell: (event: string) => void) {
  const service = new pg.Pool({ connectionString, max: 1, connectionTimeoutMillis: 2_000 })
  surviveConnectionLoss(service)
  const segments = segmentIds({ db: service, segmentSize: 100, retryMs: 100 })
  const ids = withFallback(segments, uuidV7(), { restMs: 100, onEvent: ({ type }) => tell(type) })
  return {
    ids,
    /** Resolves when segments are there, or when it is clear that the service is away. */
    ready: () => segments.ready().catch(() => undefined),
    close: () => service.end(),
  }
}
