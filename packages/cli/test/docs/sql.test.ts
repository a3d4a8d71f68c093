import { expect, test } from 'vitest'
import { migratedDatabase } from '../outbox.js'
import { codeBlocks, pages } from './pages.js'

/** Pages whose SQL another test runs. */
const elsewhere = new Map([
  ['docs/moving.md', 'moving.test.ts'],
  ['docs/tutorial.md', 'tutorial.test.ts'],
])

const blocks = pages()
  .filter(({ path }) => !elsewhere.has(path))
  .flatMap((page) =>
    codeBlocks(page)
      .filter(({ language }) => language === 'sql')
      .map(({ code }) => [page.path, code] as const),
  )

test('the SQL of every page runs, on a database of its reader', async () => {
  await using database = await migratedDatabase()
  const failed: string[] = []
  for (const [path, code] of blocks) {
    await database.pool.query(code).catch((error: Error) => failed.push(`${path}: ${error.message}`))
  }
  expect(blocks.length).toBeGreaterThan(4)
  expect(failed).toEqual([])
})
