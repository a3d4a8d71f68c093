import { expect, test } from 'vitest'
import { relayLog } from '../dist/verbs/relayLog.js'

test('the log says once that the transport acknowledges again, lane by lane', () => {
  const lines: string[] = []
  const line = (level: string) => (fields: object, text: string) =>
    void lines.push(`${level} ${(fields as { lane: number }).lane}: ${text}`)
  const tell = relayLog({ debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') })
  const published = (lane: number) => tell({ event: 'published', lane, count: 1, waitedMs: 1, trace: null })
  const failed = (lane: number) => tell({ event: 'publish_failed', lane, count: 1, code: 'TRANSPORT_UNREACHABLE' })
  published(0)
  failed(0)
  failed(0)
  published(1)
  published(0)
  published(0)
  expect(lines.filter((text) => text.startsWith('info'))).toEqual(['info 0: the transport acknowledges again'])
})
