import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { migrationsDirectory, readMigrations } from '@oncebox/schema'
import { expect, test } from 'vitest'

const dist = fileURLToPath(new URL('../dist/', import.meta.url))

/** Lays `migrationFiles.js` out as in `root`/packages/schema and asks it for its folder. */
async function folderFrom(root: string, files: Record<string, string>): Promise<string[]> {
  const own = join(root, 'packages/schema')
  await mkdir(join(own, 'dist'), { recursive: true })
  await writeFile(join(own, 'package.json'), '{"type": "module"}')
  const code = await readFile(join(dist, 'migrationFiles.js'), 'utf8')
  await writeFile(join(own, 'dist/migrationFiles.js'), code.replace(/^\/\/# sourceMappingURL.*$/m, ''))
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(root, file, '..'), { recursive: true })
    await writeFile(join(root, file), text)
  }
  const module = await import(pathToFileURL(join(own, 'dist/migrationFiles.js')).href)
  return module.readMigrations().map((migration: { name: string }) => migration.name)
}

test('an installed package reads its own migrations, the repository its top-level ones', async () => {
  const root = await mkdtemp(join(tmpdir(), 'oncebox-installed-'))
  try {
    const own = { 'packages/schema/migrations/0001_own.sql': 'SELECT 1' }
    // A package called "migrations" may lie beside ours in node_modules.
    const stranger = { 'migrations/0001_stranger.sql': 'SELECT 1' }
    expect(await folderFrom(join(root, 'a'), { ...own, ...stranger })).toEqual(['own'])
    const workspace = { 'pnpm-workspace.yaml': '', 'migrations/0001_current.sql': 'SELECT 1' }
    expect(await folderFrom(join(root, 'b'), { ...own, ...workspace })).toEqual(['current'])
    expect(await folderFrom(join(root, 'c'), workspace)).toEqual(['current'])
  } finally {
    await rm(root, { recursive: true, force: true })
  }
})

test('every SQL file of the folder is a migration', async () => {
  const files = await readdir(migrationsDirectory())
  expect(readMigrations().map((migration) => migration.file)).toEqual(files.sort())
})
