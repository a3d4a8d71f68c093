import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { pages, root } from './pages.js'

const pictures = readdirSync(`${root}docs`)
  .filter((name) => name.endsWith('.svg'))
  .map((name) => ({ path: `docs/${name}`, text: readFileSync(`${root}docs/${name}`, 'utf8') }))

/** The pictures that pages show, with what is said to those who do not see them. */
const shown = pages().flatMap(({ path, text }) =>
  [...text.matchAll(/!\[([^\]]*)\]\(([^)\s]+)\)/g)].map(([, alt = '', target = '']) => ({
    picture: join(dirname(path), target),
    alt,
  })),
)

test('there are pictures', () => expect(pictures.length).toBeGreaterThan(4))

describe.each(pictures)('$path', ({ path, text }) => {
  test('is shown on a page, with words for those who do not see it', () => {
    const alts = shown.filter(({ picture }) => picture === path).map(({ alt }) => alt)
    expect(alts).not.toEqual([])
    for (const alt of alts) expect(alt.length).toBeGreaterThan(20)
  })

  test('has a title, and is small', () => {
    expect(text).toMatch(/^<svg [^>]*>\n? *<title[ >]/)
    expect(text.length).toBeLessThan(60_000)
  })

  test('loads nothing and runs nothing', () => {
    expect(text.replace('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(
      /https?:|@import|@font-face|<script|<image|<foreignObject/,
    )
  })

  test('brings its own ground, so that it can be read on a light page and on a dark one', () => {
    expect(text).toMatch(/<rect (class="page" )?width="(100%|\d+)" height="(100%|\d+)"/)
    if (text.includes('class="page"')) expect(text).toMatch(/\(prefers-color-scheme: dark\) \{\s*\.page \{ fill: #\w+/)
  })
})
