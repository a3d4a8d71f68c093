// The way in: `npm run demo`, `npm test`, `npm run oncebox -- VERB`, `npm run build`, `npm run lint`.
// Needs git's clone and Node 20 or newer with npm; everything else it fetches, installs and builds by itself, says so
// on standard error, and leaves standard output to the program it runs.
import { join } from 'node:path'
import { runStep, runToEnd } from './processes.mjs'
import { sbom } from './sbom.mjs'
import { root, setUp } from './setUp.mjs'

const bin = (path) => join(root, path)
const tools = {
  cli: bin('packages/cli/dist/bin.js'),
  bench: bin('packages/bench/dist/bin.js'),
  proof: bin('packages/proof/dist/bin.js'),
  reference: bin('scripts/reference/write.mjs'),
  tsc: bin('node_modules/typescript/bin/tsc'),
  biome: bin('node_modules/@biomejs/biome/bin/biome'),
  vitest: bin('node_modules/vitest/vitest.mjs'),
}

// As the first line of the command says it: messages live shortly, and V8 would let the space for them grow.
const node = ['--max-semi-space-size=16']

const verbs = {
  build: async () => 0,
  oncebox: (toolchain, args) => runToEnd(toolchain, [...node, tools.cli, ...args]),
  demo: (toolchain, args) => runToEnd(toolchain, [...node, tools.cli, 'demo', ...args]),
  picture: (toolchain, args) => runToEnd(toolchain, [...node, bin('scripts/demoPicture/main.mjs'), ...args]),
  bench: (toolchain, args) => runToEnd(toolchain, [tools.bench, ...args]),
  proof: (toolchain, args) => runToEnd(toolchain, [tools.proof, ...args]),
  reference: (toolchain) => runToEnd(toolchain, [tools.reference]),
  lint: (toolchain, args) => runToEnd(toolchain, [tools.biome, 'check', ...(args.length > 0 ? args : ['.'])]),
  sbom: async (toolchain) => {
    process.stdout.write(`${JSON.stringify(sbom(toolchain), null, 2)}\n`)
    return 0
  },
  test,
}

/** Types of the tests, the examples and the page, format and lint, then the tests themselves; `args` go to vitest. */
async function test(toolchain, args) {
  for (const [what, command] of [
    ['the types of tests and examples', [tools.tsc, '-p', 'tsconfig.test.json']],
    ['the types of the page', [tools.tsc, '-p', 'packages/dashboard/page']],
    ['format and lint', [tools.biome, 'check', '.']],
  ]) {
    process.stderr.write(`oncebox: checking ${what}\n`)
    const code = await runStep(toolchain, command)
    if (code !== 0) return failedBeforeTests(code)
  }
  return runToEnd(toolchain, [tools.vitest, 'run', ...args])
}

// The last line of a test run is always the counts, as scripts/countsReporter.mjs writes them.
function failedBeforeTests(code) {
  process.stdout.write('0 passed, 1 failed\n')
  return code
}

async function main([verb, ...args]) {
  const run = Object.hasOwn(verbs, verb ?? '') ? verbs[verb] : undefined
  if (run === undefined) {
    process.stderr.write(`usage: node scripts/run.mjs ${Object.keys(verbs).join('|')} [arguments]\n`)
    return 2
  }
  let toolchain
  try {
    toolchain = await setUp()
  } catch (error) {
    process.stderr.write(`oncebox: ${error.message}\n`)
    return verb === 'test' ? failedBeforeTests(1) : 1
  }
  return run(toolchain, args)
}

process.exitCode = await main(process.argv.slice(2))
