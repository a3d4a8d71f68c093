import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { page, root } from './pages.js'

/** The sections of docs/guarantees.md, by the guarantee in their heading. */
const sections = page('docs/guarantees.md')
  .text.split(/^## /m)
  .map((text) => ({ guarantee: /^(G\d)\b/.exec(text)?.[1], text }))
  .filter(({ guarantee }) => guarantee !== undefined)

test('each of the six guarantees has its section', () => {
  expect(sections.map(({ guarantee }) => guarantee)).toEqual(['G1', 'G2', 'G3', 'G4', 'G5', 'G6'])
})

describe.each(sections)('$guarantee', ({ guarantee, text }) => {
  const files = [...text.matchAll(/\]\(\.\.\/([^)]+\.test\.ts)\)/g)].map(([, file = '']) => file)

  test('names the tests that prove it, and they name the guarantee', () => {
    expect(files).not.toEqual([])
    for (const file of files) {
      expect(readFileSync(root + file, 'utf8'), `a test in ${file}`).toMatch(
        new RegExp(`['"\`][^'"\`]*\\b${guarantee}\\b`),
      )
    }
  })

  test('says what could break it', () => expect(text).toMatch(/\*\*What could break it\.?\*\*/))
})
