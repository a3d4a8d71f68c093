import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Page, page, pages, root } from './pages.js'

/** GitHub's anchor of a heading. */
function anchorOf(heading: string): string {
  const text = heading.replaceAll(/`|\*|\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
  return text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-')
}

/** Of a heading that was there before, GitHub numbers the anchor. */
function anchorsOf(markdown: string): string[] {
  const seen = new Map<string, number>()
  return [...proseOf(markdown).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => {
    const anchor = anchorOf(heading)
    const before = seen.get(anchor) ?? 0
    seen.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
}

function proseOf(markdown: string): string {
  return markdown.replaceAll(/^```[\s\S]*?^```$/gm, '')
}

/** Of Markdown, and of the HTML in it. */
function relativeLinks({ text }: Page): string[] {
  const links = proseOf(text).matchAll(/\]\(([^)\s]+)\)|\b(?:href|src|srcset)="([^"]+)"/g)
  return [...links].map(([, target, other]) => target ?? other ?? '').filter((to) => !/^https?:/.test(to))
}

describe('no link leads nowhere', () => {
  test.each(pages().map((page) => [page.path, page] as const))('%s', (path, page) => {
    for (const link of relativeLinks(page)) {
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : join(dirname(path), file)
      expect(existsSync(join(root, target)), `${path} links to ${link}`).toBe(true)
      if (anchor !== undefined) {
        expect(anchorsOf(readFileSync(join(root, target), 'utf8')), `${path} links to ${link}`).toContain(anchor)
      }
    }
  })

  test('and no page of docs/ or of a pattern is a dead end: each leads to another one', () => {
    const ends = pages()
      .filter(({ path }) => /^docs\/(patterns\/)?[\w-]+\.md$/.test(path))
      .filter((one) => !relativeLinks(one).some((link) => /^[^#]+\.md(#|$)/.test(link)))
    expect(ends.map(({ path }) => path)).toEqual([])
  })

  // What is many has a page that lists it; the README leads to that one.
  const lists = new Map([
    ['docs/runbooks/', 'docs/metrics.md'],
    ['docs/decisions/', 'docs/decisions.md'],
    ['docs/reference/', 'docs/reference/README.md'],
  ])

  test('and the README leads to every page of docs/, or to the page that lists it', () => {
    const lost = pages()
      .filter(({ path }) => path.startsWith('docs/'))
      .filter(({ path }) => {
        const list = [...lists].find(([folder, index]) => path.startsWith(folder) && path !== index)?.[1] ?? 'README.md'
        const linked = relativeLinks(page(list)).map((link) => join(dirname(list), String(link.split('#')[0])))
        return !linked.includes(path)
      })
    expect(lost.map(({ path }) => path)).toEqual([])
  })
})
