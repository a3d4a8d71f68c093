import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './root.mjs'

/**
 * Makes packages/schema/migrations, which is published with the package, equal to the repository's migrations/.
 * A file appears complete or not at all, because others may be reading.
 */
export function copyMigrations() {
  const from = join(root, 'migrations')
  const to = join(root, 'packages/schema/migrations')
  mkdirSync(to, { recursive: true })
  const wanted = readdirSync(from).filter((name) => name.endsWith('.sql'))
  const there = readdirSync(to)
  for (const name of there) if (!wanted.includes(name)) rmSync(join(to, name), { recursive: true, force: true })
  for (const name of wanted) {
    const content = readFileSync(join(from, name))
    if (there.includes(name) && readFileSync(join(to, name)).equals(content)) continue
    const partial = join(to, `${name}.${process.pid}`)
    writeFileSync(partial, content)
    renameSync(partial, join(to, name))
  }
}
