import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { root } from './workspace.js'

const script = (name: string): string => pathToFileURL(join(root, 'scripts/reference', name)).href

interface Comments {
  parseDocComment(comment?: string): { text: string; tags: { name: string; text: string }[] }
  splitDefault(text: string): { text: string; value: string | null }
  firstSentence(text: string): string
}
interface Item {
  readonly name: string
  readonly doc: string | undefined
  readonly properties: readonly {
    readonly name: string
    readonly optional: boolean
    readonly doc: string | undefined
  }[]
}

const { parseDocComment, splitDefault, firstSentence } = (await import(script('docComment.mjs'))) as Comments

interface Sources {
  readonly exported: ReadonlyMap<string, readonly Item[]>
}

interface Reference {
  readonly folder: string
  readSources(root: string): Sources
  referencePages(root: string, sources: Sources): Map<string, string>
}

const { folder, readSources, referencePages } = (await import(script('reference.mjs'))) as Reference
// The compiler reads all packages: once for all tests.
const sources = readSources(root)

test('the reference is what the docstrings say: `npm run reference` writes it', () => {
  const written = new Map(
    readdirSync(join(root, folder)).map((name) => [name, readFileSync(join(root, folder, name), 'utf8')]),
  )
  const pages = referencePages(root, sources)
  const stale = [...new Set([...written.keys(), ...pages.keys()])].filter(
    (name) => written.get(name) !== pages.get(name),
  )
  expect(stale, 'run `npm run reference`').toEqual([])
  // Readers load a page at once, and code hosts cut long ones off.
  expect(Math.max(...[...pages.values()].map((page) => page.length))).toBeLessThan(100_000)
})

test('a docstring falls into its text and its tags, also where a tag stands behind the text', () => {
  const comment = `/**
   * Writes a row in \`tx\`.
   *
   * - one
   *
   * @throws OnceboxError \`INVALID_SETTING\` for mail@example.com,
   *   \`TRANSACTION_ENDED\`.
   */`
  expect(parseDocComment(comment)).toEqual({
    text: 'Writes a row in `tx`.\n\n- one',
    tags: [{ name: 'throws', text: 'OnceboxError `INVALID_SETTING` for mail@example.com,\n`TRANSACTION_ENDED`.' }],
  })
  expect(parseDocComment('/** The file. @throws Error when there is none. */')).toEqual({
    text: 'The file.',
    tags: [{ name: 'throws', text: 'Error when there is none.' }],
  })
  expect(parseDocComment(undefined)).toEqual({ text: '', tags: [] })
})

test.each([
  ['Default `oncebox`.', '', '`oncebox`'],
  ['How often. Default 8.', 'How often.', '8'],
  ['In bytes. Default 900,000: below Kafka. And more.', 'In bytes. And more.', '900,000: below Kafka'],
  ['Default: by the data: `a/b.c`, or 1.5 of it.', '', 'by the data: `a/b.c`, or 1.5 of it'],
  ['Milliseconds; default 250. More.', 'Milliseconds. More.', '250'],
  ['What the default partitioner does.', 'What the default partitioner does.', null],
])('the default of an option stands in its docstring: %s', (text, rest, value) => {
  expect(splitDefault(text)).toEqual({ text: rest, value })
})

test('a list shows the first sentence, whatever dots its code holds', () => {
  expect(firstSentence('Calls `a. b` in v1.2\nof it. Then more.')).toBe('Calls `a. b` in v1.2 of it')
})

test('every option says what it is and what holds without it, and everything else that is exported what it is for', () => {
  const silent = [...sources.exported.values()].flat().flatMap((item) => {
    const options = /(?:Options|Tuning|Connection)$/.test(item.name) && item.properties.length > 0
    if (!options) return item.doc === undefined ? [item.name] : []
    return item.properties
      .filter(({ doc, optional }) => doc === undefined || (optional && !statesDefault(doc)))
      .map(({ name }) => `${item.name}.${name}`)
  })
  expect(new Set(silent)).toEqual(new Set())
})

const statesDefault = (doc: string): boolean => splitDefault(parseDocComment(doc).text).value !== null
