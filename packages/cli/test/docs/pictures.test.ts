import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Page, pages, root } from './pages.js'

const pictures = readdirSync(`${root}docs`)
  .filter((name) => name.endsWith('.svg'))
  .map((name) => ({ path: `docs/${name}`, text: readFileSync(`${root}docs/${name}`, 'utf8') }))

interface Shown {
  /** Relative to the root. */
  readonly picture: string
  /** What is said to those who do not see it. */
  readonly alt: string
}

/** The pictures of a page, in Markdown or in HTML; those of a `<picture>` share the words of its `<img>`. */
function shownBy({ path, text }: Page): Shown[] {
  const show = (alt: string, targets: string[]) => targets.map((to) => ({ picture: join(dirname(path), to), alt }))
  const markdown = [...text.matchAll(/!\[([^\]]*)\]\(([^)\s]+)\)/g)].flatMap(([, alt = '', to = '']) => show(alt, [to]))
  const html = [...text.matchAll(/<picture>[\s\S]*?<\/picture>/g)].flatMap(([picture]) => {
    const alt = /<img [^>]*\balt="([^"]*)"/.exec(picture)?.[1] ?? ''
    return show(
      alt,
      [...picture.matchAll(/\b(?:src|srcset)="([^"]+)"/g)].map(([, to = '']) => to),
    )
  })
  return [...markdown, ...html]
}

const shown = pages().flatMap(shownBy)

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

describe('what moves', () => {
  const moving = pictures.filter(({ text }) => /@keyframes|<animate/.test(text))

  test('is there', () => expect(moving.map(({ path }) => path)).toEqual(['docs/demo.svg']))

  test('stands still for whoever wants no motion, in itself and by another picture on the page', () => {
    const readme = readFileSync(`${root}README.md`, 'utf8')
    for (const { path, text } of moving) {
      expect(text).not.toContain('<animate')
      expect(text.match(/[^-]animation:/g)).toHaveLength(1)
      expect(text).toMatch(/@media \(prefers-reduced-motion: no-preference\) \{ g \{ animation: /)
      const still = path.replace('.svg', '-still.svg')
      expect(readme).toContain(`<source media="(prefers-reduced-motion: reduce)" srcset="${still}">`)
      expect(pictures.find((other) => other.path === still)?.text).not.toContain('@keyframes')
    }
  })
})
