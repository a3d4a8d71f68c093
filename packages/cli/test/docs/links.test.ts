import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Page, pages, root } from './pages.js'

/** GitHub's anchor of a heading. */
function anchorOf(heading: string): string {
  const text = heading.replaceAll(/`|\*|\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
  return text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-')
}

function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))
}

function relativeLinks({ text }: Page): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target).filter((to) => !/^https?:/.test(to))
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

  test('and the README leads to every page of docs/', () => {
    const [readme] = pages().filter(({ path }) => path === 'README.md')
    const linked = relativeLinks(readme as Page)
    const runbooks = 'docs/runbooks/'
    for (const { path } of pages()) {
      if (path.startsWith('docs/') && !path.startsWith(runbooks)) expect(linked).toContain(path)
    }
    const [alerts] = pages().filter(({ path }) => path === 'docs/metrics.md')
    const listed = relativeLinks(alerts as Page).map((link) => `docs/${link}`)
    for (const { path } of pages()) if (path.startsWith(runbooks)) expect(listed).toContain(path)
  })
})
