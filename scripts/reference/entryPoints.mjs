import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The published packages: the one that users install, then its parts in the order in which a message travels. */
const folders = [
  'cli',
  'core',
  'schema',
  'guards',
  'outbox',
  'transport',
  'kafkajs',
  'kafka',
  'pg-boss',
  'relay',
  'inbox',
  'ops',
  'dashboard',
  'testkit',
]

/**
 * Every entry point of the published packages. What two of them export is described by the first.
 *
 * @returns {{ name: string, page: string, folder: string, source: string, description: string }[]} `name` as it is
 *   imported, `page` the file below docs/reference, `source` the TypeScript, from the root; `description` the manifest's,
 *   of a package's main entry point.
 */
export function entryPoints(root) {
  return folders.flatMap((folder) => {
    const { name, description, exports } = JSON.parse(
      readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8'),
    )
    return Object.entries(exports).map(([subpath, { types }]) => {
      const entry = name + subpath.slice(1)
      const page = `${entry.replace('@oncebox/', '').replaceAll('/', '-')}.md`
      const source = `packages/${folder}/${types.replace('./dist/', 'src/').replace(/\.d\.ts$/, '.ts')}`
      return { name: entry, page, folder, source, description: subpath === '.' ? `${description}.` : '' }
    })
  })
}
