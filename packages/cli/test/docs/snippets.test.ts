import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeBlocks, type Page, page, pages, root } from './pages.js'

const run = promisify(execFile)

/** Inside the package, so that `oncebox` and its neighbours are found as a user's project finds them. */
const parent = join(root, 'packages/cli/.cache')

/** Pages whose TypeScript is no program, and why. */
const notCompiled = new Map([
  ['docs/reference/', 'declarations, written by the compiler from sources that it has checked'],
])

/** Files that a page speaks of and does not show. */
const besides: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // What `prisma generate` writes for the page's models, as far as the snippet uses it; core's tests have a real one.
  'docs/libraries.md': {
    'prismaClient.ts': `
      interface Models {
        order: { create(args: { data: { id: string; customer: string; cents: number } }): Promise<unknown> }
        invoice: { create(args: { data: { orderId: string; cents: number } }): Promise<unknown> }
        $queryRawUnsafe<T>(query: string, ...values: unknown[]): Promise<T>
      }
      export interface PrismaClient extends Models {
        $connect(): Promise<void>
        $transaction<T>(work: (tx: Models) => Promise<T>, options?: object): Promise<T>
      }`,
  },
  'docs/testing.md': {
    'points.ts': `
      import { defineMessages } from 'oncebox'
      import type { Handlers } from 'oncebox/inbox'
      import type { PoolClient } from 'pg'
      import { z } from 'zod'
      const paid = z.object({ order: z.string(), customer: z.string(), cents: z.int() })
      export const messages = defineMessages({ 'order.paid': { topic: 'orders', schema: paid } })
      export const handlers = {
        'order.paid': async (message, { trx }) => {
          await trx.query('UPDATE customer SET points = points + $2 WHERE id = $1', [message.data.customer, 1])
        },
      } satisfies Handlers<typeof messages, PoolClient>`,
  },
}

/** The TypeScript of a page by file name. One that is shown twice is as its reader leaves it. */
function filesOf(of: Page): Map<string, string> {
  const blocks = codeBlocks(of).filter(({ language }) => language === 'ts')
  return new Map(blocks.map(({ code }, index) => [/^\/\/ (\w+\.ts)\n/.exec(code)?.[1] ?? `block${index + 1}.ts`, code]))
}

const messages = ['messages.ts', filesOf(page('README.md')).get('messages.ts') ?? ''] as const

/** Each page is a project, with the README's messages where it has none of its own. */
const projects = pages()
  .filter(({ path }) => ![...notCompiled.keys()].some((folder) => path.startsWith(folder)))
  .map((of) => ({ path: of.path, folder: of.path.replaceAll(/\W/g, '_'), files: filesOf(of) }))
  .filter(({ files }) => files.size > 0)

let workspace = ''
let problems: string[] = []

// One compiler for all of them: a second or two, instead of as much for each.
beforeAll(async () => {
  await mkdir(parent, { recursive: true })
  workspace = await mkdtemp(join(parent, 'snippets-'))
  for (const { path, folder, files } of projects) {
    await mkdir(join(workspace, folder))
    const all = new Map([messages, ...Object.entries(besides[path] ?? {}), ...files])
    for (const [name, code] of all) await writeFile(join(workspace, folder, name), code)
  }
  const settings = {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: {
      noEmit: true,
      declaration: false,
      sourceMap: false,
      inlineSources: false,
      allowImportingTsExtensions: true,
      moduleDetection: 'force',
    },
    include: ['*/*.ts'],
  }
  await writeFile(join(workspace, 'tsconfig.json'), JSON.stringify(settings))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  problems = await run(process.execPath, [compiler, '-p', workspace, '--pretty', 'false'], { cwd: workspace }).then(
    () => [],
    (error: { stdout: string }) => error.stdout.split('\n').filter((line) => line !== ''),
  )
})

afterAll(() => rm(workspace, { recursive: true, force: true }))

test('no block of code is one that no test looks at', () => {
  const looked = ['ts', 'sh', 'sql', 'json', '']
  const odd = pages().flatMap((of) => {
    const blocks = codeBlocks(of)
    // Indented, or with a word behind its language, a block would be passed over.
    const fences = [...of.text.matchAll(/^\s*(```|~~~)/gm)].length
    const other = blocks.map(({ language }) => language).filter((language) => !looked.includes(language))
    return fences === 2 * blocks.length && other.length === 0 ? [] : [`${of.path}: ${other}`]
  })
  expect(odd).toEqual([])
})

test('every page with TypeScript is compiled', () => {
  const compiled = projects.map(({ path }) => path)
  expect(compiled).toEqual(expect.arrayContaining(['README.md', 'docs/tutorial.md', 'docs/libraries.md']))
  expect(problems.filter((line) => !projects.some(({ folder }) => line.startsWith(`${folder}/`)))).toEqual([])
})

test.each(projects.map((project) => [project.path, project] as const))(
  'the TypeScript of %s compiles',
  (_, { folder }) => {
    expect(problems.filter((line) => line.startsWith(`${folder}/`))).toEqual([])
  },
)
