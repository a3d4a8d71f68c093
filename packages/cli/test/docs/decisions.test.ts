import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { page, root } from './pages.js'

/** The names in the workspace's catalog. */
function catalog(): string[] {
  const text = readFileSync(`${root}pnpm-workspace.yaml`, 'utf8')
  const block = /^catalog:\n((?: {2}.+\n)+)/m.exec(text)?.[1] ?? ''
  return [...block.matchAll(/^ {2}"?([^":]+)"?:/gm)].map(([, name = '']) => name)
}

test('every dependency of the catalog has a sentence with its reason, and nothing else has one', () => {
  const section = /^## Dependencies$([\s\S]*?)^## /m.exec(page('docs/decisions.md').text)?.[1] ?? ''
  const reasons = [...section.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)]
  expect(reasons.map(([, name]) => name).sort()).toEqual(catalog().sort())
  for (const [, name, reason] of reasons) expect(reason?.length, `the reason for ${name}`).toBeGreaterThan(30)
})
