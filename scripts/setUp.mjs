import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildPage } from './buildPage.mjs'
import { copyMigrations } from './copyMigrations.mjs'
import { withLock } from './lock.mjs'
import { runProgram, runStep } from './processes.mjs'
import { root } from './root.mjs'
import { findToolchain } from './toolchain.mjs'

export { root }

const say = (text) => process.stderr.write(`oncebox: ${text}\n`)
const stampFile = join(root, 'node_modules', '.oncebox-installed')

/** Brings the clone up to date: toolchain, dependencies, build. Resolves with the toolchain. One at a time. */
export async function setUp() {
  const cache = join(root, '.cache')
  mkdirSync(cache, { recursive: true })
  return withLock(join(cache, 'setUp.lock'), say, async () => {
    const toolchain = await findToolchain(join(cache, 'toolchain.json'), say)
    await install(toolchain)
    await build(toolchain)
    return toolchain
  })
}

async function install(toolchain) {
  const stamp = stampOf(toolchain)
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  say('installing dependencies (the first time about 20 s)')
  const options = ['--frozen-lockfile', '--config.confirmModulesPurge=false']
  const code = await runProgram(toolchain.pnpm, ['install', ...options], toolchain)
  if (code !== 0) throw new Error(`pnpm install failed (exit code ${code})`)
  writeFileSync(stampFile, stamp)
}

/** What an install depends on: the lockfile, the manifests, and the Node it was made for. */
function stampOf(toolchain) {
  const files = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', 'deploy/docker/package.json']
  for (const group of ['packages', 'examples']) {
    if (!existsSync(join(root, group))) continue
    for (const name of readdirSync(join(root, group)).sort()) files.push(join(group, name, 'package.json'))
  }
  const hash = createHash('sha256').update(JSON.stringify([toolchain, process.platform, process.arch]))
  for (const file of files) {
    if (existsSync(join(root, file))) hash.update(`\n${file}\n`).update(readFileSync(join(root, file)))
  }
  return hash.digest('hex')
}

async function build(toolchain) {
  copyMigrations()
  if (!existsSync(join(root, 'packages/core/dist'))) say('building (the first time about 5 s)')
  const code = await runStep(toolchain, [join(root, 'node_modules/typescript/bin/tsc'), '-b'])
  if (code !== 0) throw new Error('the build failed')
  await buildPage(toolchain)
}
