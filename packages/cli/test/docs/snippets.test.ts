import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { codeBlocks, page, pages, root } from './pages.js'

const run = promisify(execFile)

/** Inside the package, so that `oncebox` and its neighbours are found as a user's project finds them. */
const parent = join(root, 'packages/cli/.cache')

interface Snippet {
  readonly name: string | undefined
  readonly code: string
}

/** The TypeScript of a page, which begins with the name of its file. */
function snippetsOf(path: string): Snippet[] {
  return codeBlocks(page(path))
    .filter(({ language }) => language === 'ts')
    .map(({ code }) => ({ name: /^\/\/ (\w+\.ts)\n/.exec(code)?.[1], code }))
}

/** What the compiler says about the snippets as files of one project. */
async function problemsOf(files: readonly Snippet[]): Promise<string> {
  await mkdir(parent, { recursive: true })
  const project = await mkdtemp(join(parent, 'snippets-'))
  onTestFinished(() => rm(project, { recursive: true }))
  for (const { name, code } of files) await writeFile(join(project, String(name)), code)
  const settings = {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: { noEmit: true, declaration: false, sourceMap: false, allowImportingTsExtensions: true },
    include: ['*.ts'],
  }
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(settings))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  return run(process.execPath, [compiler, '-p', project]).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  )
}

test("the README's snippets compile as files of one project", async () => {
  const files = snippetsOf('README.md')
  expect(files.map(({ name }) => name)).toEqual(['messages.ts', 'orders.ts', 'relay.ts', 'billing.ts'])
  expect(await problemsOf(files)).toBe('')
}, 60_000)

test('the files of the tutorial compile, in the state in which its reader leaves them', async () => {
  const files = new Map(snippetsOf('docs/tutorial.md').map((file) => [file.name, file]))
  expect([...files.keys()]).toEqual(['shop.ts', 'messages.ts', 'billing.ts'])
  expect(await problemsOf([...files.values()])).toBe('')
}, 60_000)

test('the snippets of all patterns compile together', async () => {
  const paths = pages()
    .map(({ path }) => path)
    .filter((path) => path.startsWith('docs/patterns/'))
  const files = paths.flatMap(snippetsOf)
  expect(paths.length).toBeGreaterThan(4)
  // A file each, under names of their own.
  expect(files.map(({ name }) => typeof name)).toEqual(paths.map(() => 'string'))
  expect(new Set(files.map(({ name }) => name)).size).toBe(files.length)
  expect(await problemsOf(files)).toBe('')
}, 60_000)

test('the snippets that wire metrics and probes into a service compile', async () => {
  const files = snippetsOf('docs/metrics.md')
  expect(files.map(({ name }) => name)).toEqual(['operations.ts', 'telemetry.ts'])
  expect(await problemsOf([...snippetsOf('README.md').slice(0, 1), ...files])).toBe('')
}, 60_000)

/** What `prisma generate` writes for the page's models, as far as the snippet uses it; core's tests have a real one. */
const prismaClient: Snippet = {
  name: 'prismaClient.ts',
  code: `
    interface Models {
      order: { create(args: { data: { id: string; customer: string; cents: number } }): Promise<unknown> }
      invoice: { create(args: { data: { orderId: string; cents: number } }): Promise<unknown> }
      $queryRawUnsafe<T>(query: string, ...values: unknown[]): Promise<T>
    }
    export interface PrismaClient extends Models {
      $connect(): Promise<void>
      $transaction<T>(work: (tx: Models) => Promise<T>, options?: object): Promise<T>
    }`,
}

test('the snippets for each database library compile: a handler has the transaction of its library', async () => {
  const files = snippetsOf('docs/libraries.md')
  expect(files.map(({ name }) => name)).toEqual([
    'drizzle.ts',
    'knex.ts',
    'postgresJs.ts',
    'typeorm.ts',
    'mikroOrm.ts',
    'prisma.ts',
  ])
  expect(await problemsOf([...snippetsOf('README.md').slice(0, 1), ...files, prismaClient])).toBe('')
}, 60_000)

test('the snippets about the webhook compile', async () => {
  const files = snippetsOf('docs/webhook.md')
  expect(files.map(({ name }) => name)).toEqual(['notified.ts', 'receiver.ts'])
  expect(await problemsOf([...snippetsOf('README.md').slice(0, 1), ...files])).toBe('')
}, 60_000)
