import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The repository's root, with a slash at its end. */
export const root = fileURLToPath(new URL('../../../../', import.meta.url))

export interface Page {
  /** Relative to the root: `docs/concepts.md`. */
  readonly path: string
  readonly text: string
}

export function page(path: string): Page {
  return { path, text: readFileSync(root + path, 'utf8') }
}

/** The pages a reader comes to: the top-level ones, those of docs/, of the examples and of the packages. */
export function pages(): Page[] {
  const top = readdirSync(root).filter((name) => name.endsWith('.md'))
  const ofPackages = readdirSync(`${root}packages`).map((name) => `packages/${name}/README.md`)
  const there = ofPackages.filter((path) => existsSync(root + path))
  return [...top, ...below('docs'), ...below('examples'), ...there].map(page)
}

function below(folder: string): string[] {
  return readdirSync(root + folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : below(path)
    return path.endsWith('.md') ? [path] : []
  })
}

export interface CodeBlock {
  readonly language: string
  readonly code: string
}

/** The fenced code blocks of a page, in order. */
export function codeBlocks({ text }: Page): CodeBlock[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({ language, code }))
}

/** The rows of every table of a page, cells trimmed, without heading and rule. */
export function tableRows({ text }: Page): string[][] {
  const tables = text.split('\n\n').filter((block) => /^\|.*\|\n\|[-:| ]+\|/.test(block.trim()))
  return tables.flatMap((table) =>
    table
      .trim()
      .split('\n')
      .slice(2)
      .map((line) =>
        line
          .slice(1, -1)
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim()),
      ),
  )
}

export interface Typed {
  /** The page. */
  readonly where: string
  readonly line: string
}

/** What a reader is told to type: the lines of the pages' shell blocks, without comments. */
export function typed(): Typed[] {
  return pages().flatMap((page) =>
    codeBlocks(page)
      .filter(({ language }) => language === 'sh')
      .flatMap(({ code }) => code.replaceAll('\\\n', ' ').split('\n'))
      .map((line) => ({ where: page.path, line: line.replace(/\s#\s.*$/, '').trim() }))
      .filter(({ line }) => line !== '' && !line.startsWith('#')),
  )
}
