import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { root } from './root.mjs'

const fetchedNode = '24.21.0'
const fetchedPnpm = '12.21.0'
// @oncebox/kafka's floor; the other packages run on 22.12.
const oldestNode = [22, 22]
const oldestPnpm = [12, 0]

/**
 * The `node` and `pnpm` programs to work with, as absolute paths: those present where they are new enough, else both
 * fetched through npm into its own cache. The answer is kept in `cacheFile`, so that later commands start at once.
 */
export async function findToolchain(cacheFile, say) {
  const known = readKnown(cacheFile)
  if (known !== undefined) return known
  const toolchain = present() ?? fetchThroughNpm(say)
  // Complete or not at all, should we be killed here.
  writeFileSync(`${cacheFile}.partial`, JSON.stringify({ ...toolchain, startedBy: process.version }))
  renameSync(`${cacheFile}.partial`, cacheFile)
  return toolchain
}

/** Another Node that starts us, or programs that have gone, make the answer void. */
function readKnown(cacheFile) {
  if (!existsSync(cacheFile)) return undefined
  const { node, pnpm, startedBy } = JSON.parse(readFileSync(cacheFile, 'utf8'))
  return startedBy === process.version && existsSync(node) && existsSync(pnpm) ? { node, pnpm } : undefined
}

function present() {
  if (!isAtLeast(process.versions.node, oldestNode)) return undefined
  const pnpm = findInPath('pnpm', process.env.PATH)
  if (pnpm === undefined) return undefined
  // Corepack's stand-in for pnpm asks before it downloads; nobody is there to answer.
  const env = { ...process.env, COREPACK_ENABLE_DOWNLOAD_PROMPT: '0' }
  const { status, stdout } = spawnSync(pnpm, ['--version'], { cwd: root, env, encoding: 'utf8', timeout: 20_000 })
  return status === 0 && isAtLeast(stdout.trim(), oldestPnpm) ? { node: process.execPath, pnpm } : undefined
}

function fetchThroughNpm(say) {
  say(`fetching Node ${fetchedNode} and pnpm ${fetchedPnpm} through npm, for this clone only (once, about 10 s)`)
  const packages = [`--package=node@${fetchedNode}`, `--package=pnpm@${fetchedPnpm}`]
  // The repository's .npmrc silences npm; what goes wrong here has to be seen.
  const command = ['exec', '--yes', '--loglevel=error', ...packages, '-c', 'node scripts/toolchain.mjs']
  // Under `npm run`, npm says where it is itself; else the one in PATH is taken.
  const npm = process.env.npm_execpath?.endsWith('.js')
    ? [process.execPath, [process.env.npm_execpath, ...command]]
    : ['npm', command]
  try {
    const stdout = execFileSync(...npm, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    return JSON.parse(stdout.trim().split('\n').at(-1))
  } catch (cause) {
    throw new Error(`npm could not fetch Node ${fetchedNode} and pnpm ${fetchedPnpm}`, { cause })
  }
}

function findInPath(program, path) {
  return path
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find(isExecutable)
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isAtLeast(version, [major, minor]) {
  const [hasMajor, hasMinor] = version.split('.').map(Number)
  return hasMajor > major || (hasMajor === major && hasMinor >= minor)
}

// Run by `npm exec` with the fetched programs first in PATH: says where they are.
if (process.argv[1] === join(root, 'scripts', 'toolchain.mjs')) {
  process.stdout.write(`${JSON.stringify({ node: process.execPath, pnpm: findInPath('pnpm', process.env.PATH) })}\n`)
}
