import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { failureOf } from './failures.js'
import type { Env, Room } from './room.js'

/** `GET /live`: pictures of the whole, one after the other, for as long as the page is open. */
export function liveRoute({ watch }: Room): Hono<Env> {
  return new Hono<Env>().get('/live', (context) =>
    streamSSE(
      context,
      (stream) =>
        new Promise<void>((resolve) => {
          const send = (event: string, data: unknown) => {
            stream.writeSSE({ event, data: JSON.stringify(data) }).catch(() => stream.abort())
          }
          const leave = watch.join({
            onOverview: (overview) => send('overview', overview),
            onFailure: (error) => send('failure', failureOf(error)),
          })
          stream.onAbort(() => {
            leave()
            resolve()
          })
        }),
    ),
  )
}
