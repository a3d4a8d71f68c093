import { readFileSync } from 'node:fs'
import { errorCodes } from '@oncebox/core'
import { expect, it } from 'vitest'

it('docs/errors.md lists every code once, with its retryable, and no other', () => {
  const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` +\| (yes|no) +\| .+ \| .+ \|$/gm)]
  const listed = rows.map(([, code, retryable]) => [code, { retryable: retryable === 'yes' }])
  expect(new Set(listed.map(([code]) => code)).size).toBe(listed.length)
  expect(Object.fromEntries(listed)).toEqual(errorCodes)
})
