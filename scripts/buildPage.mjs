import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runStep } from './processes.mjs'
import { root } from './root.mjs'

const home = join(root, 'packages/dashboard')
const stampFile = join(root, 'node_modules', '.oncebox-page-built')

/** Builds the dashboard's page into packages/dashboard/dist/page, unless it is built from these very sources. */
export async function buildPage(toolchain) {
  const stamp = stampOf()
  const built = existsSync(join(home, 'dist/page/index.html'))
  if (built && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  const vite = join(home, 'node_modules/vite/bin/vite.js')
  const code = await runStep(toolchain, [vite, 'build', '--config', join(home, 'vite.config.ts')])
  if (code !== 0) throw new Error('the build of the page failed')
  writeFileSync(stampFile, stamp)
}

/** What the page is made of: its sources, and the versions of what it is built with. */
function stampOf() {
  const hash = createHash('sha256')
  const page = readdirSync(join(home, 'page'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  for (const file of [...page, join(home, 'vite.config.ts'), join(root, 'pnpm-lock.yaml')]) {
    hash.update(`\n${file.slice(root.length)}\n`).update(readFileSync(file))
  }
  return hash.digest('hex')
}
