import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readDeclarations } from './declarations.mjs'
import { entryPoints } from './entryPoints.mjs'
import { indexOf } from './indexPage.mjs'
import { anchorsOf, inOrder } from './order.mjs'
import { pageOf } from './page.mjs'

export const folder = 'docs/reference'

/** What the reference is made of: the entry points, and what each exports. Takes seconds. */
export function readSources(root) {
  const entries = entryPoints(root)
  return { entries, exported: readDeclarations(root, entries) }
}

/** The pages of the reference, as Markdown by file name, of what `readSources` read and `docs/errors.md`. */
export function referencePages(root, sources) {
  const { exported } = sources
  const read = (path) => readFileSync(join(root, path), 'utf8')
  const entries = sources.entries.map((entry) => ({
    ...entry,
    intro: introOf(read(entry.source)) || entry.description,
  }))
  const homes = homesOf(entries, exported)
  const sections = sectionsOfCodes(read('docs/errors.md'))
  const codeLink = (code) => (sections.has(code) ? `../errors.md#${sections.get(code)}` : null)

  const described = entries.map((entry) => {
    const items = inOrder(exported.get(entry.name)).map((item) => ({ ...item, page: homes.get(item.key).page }))
    const own = items.filter(({ page }) => page === entry.page).map(({ name }) => name)
    const others = new Set(items.map(({ page }) => page).filter((page) => page !== entry.page))
    return { ...entry, items, own, elsewhere: entries.filter(({ page }) => others.has(page)) }
  })
  const pages = described
    .filter(({ own }) => own.length > 0)
    .map((entry) => {
      const linkTo = (key) => {
        const home = homes.get(key)
        if (home === undefined) return null
        return `[\`${home.name}\`](${home.page === entry.page ? '' : home.page}#${home.anchor})`
      }
      return [entry.page, pageOf(entry, { linkTo, codeLink })]
    })
  return new Map([['README.md', indexOf(described)], ...pages])
}

/** Where each declaration is described: on the page of the first entry point that exports it. */
function homesOf(entries, exported) {
  const homes = new Map()
  for (const { name, page } of entries) {
    const own = inOrder(exported.get(name).filter(({ key }) => !homes.has(key)))
    const anchors = anchorsOf(own)
    for (const item of own) homes.set(item.key, { name: item.name, page, anchor: anchors.get(item.key) })
  }
  return homes
}

/** The comment at the head of an entry point's source. */
function introOf(source) {
  const [lines] = /^(?:\/\/ .*\n)*/.exec(source)
  return lines.replaceAll(/^\/\/ /gm, '').trim()
}

/** The anchor of the section that lists an error code, by code. */
function sectionsOfCodes(markdown) {
  const sections = new Map()
  let anchor = ''
  for (const line of markdown.split('\n')) {
    const heading = /^## (.+)$/.exec(line)?.[1]
    if (heading !== undefined)
      anchor = heading
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(/\s/g, '-')
    const code = /^\| `([A-Z_]+)`/.exec(line)?.[1]
    if (code !== undefined && !sections.has(code)) sections.set(code, anchor)
  }
  return sections
}
