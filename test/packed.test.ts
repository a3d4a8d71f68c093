import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Manifest, manifestOf, packageFolders, root } from './workspace.js'

const run = promisify(execFile)

interface Packed extends Manifest {
  readonly description?: string
  readonly license?: string
  readonly engines?: { readonly node?: string }
  readonly bin?: Readonly<Record<string, string>>
}

const published = packageFolders.filter((folder) => manifestOf(folder).private !== true)

/** A project of a user, with every package as it would come from a registry. */
const project = mkdtempSync(join(tmpdir(), 'oncebox-packed-'))
const modules = join(project, 'node_modules')
const homeOf = (folder: string): string => join(modules, manifestOf(folder).name)
const packedOf = (folder: string): Packed =>
  JSON.parse(readFileSync(join(homeOf(folder), 'package.json'), 'utf8')) as Packed

beforeAll(async () => {
  const found = join(root, '.cache/toolchain.json')
  // Whoever works with a pnpm of their own has it in PATH.
  const pnpm = existsSync(found) ? (JSON.parse(readFileSync(found, 'utf8')) as { pnpm: string }).pnpm : 'pnpm'
  const filters = published.flatMap((folder) => ['--filter', manifestOf(folder).name])
  // Scripts would write into the repository while other tests read there.
  const options = ['--config.ignore-scripts=true', 'pack', '--pack-destination', project]
  const path = `${dirname(process.execPath)}:${process.env.PATH}`
  await run(pnpm, ['--recursive', ...filters, ...options], { cwd: root, env: { ...process.env, PATH: path } })
  for (const folder of published) {
    const { name } = manifestOf(folder)
    const tarball = readdirSync(project).find((file) => file.startsWith(`${name.replace('@', '').replace('/', '-')}-0`))
    mkdirSync(homeOf(folder), { recursive: true })
    await run('tar', ['-xzf', join(project, String(tarball)), '--strip-components=1', '-C', homeOf(folder)])
  }
  for (const folder of published) linkForeign(folder)
  writeFileSync(join(project, 'package.json'), '{"type": "module"}')
}, 120_000)

afterAll(() => rmSync(project, { recursive: true, force: true }))

/** What others make: dependencies, and the optional peers that are installed here. */
function linkForeign(folder: string): void {
  const { dependencies, peerDependencies } = packedOf(folder)
  for (const name of [...Object.keys({ ...dependencies, ...peerDependencies }), '@types/node', '@types/pg']) {
    const places = [join(root, 'packages', folder, 'node_modules', name), join(root, 'node_modules', name)]
    const there = places.find((place) => existsSync(place))
    if (existsSync(join(modules, name)) || there === undefined) continue
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(realpathSync(there), join(modules, name))
  }
}

const allowed = [
  /^(package\.json|README\.md|LICENSE)$/,
  /^dist\/(?!.*\.test\.).+\.(js|d\.ts|js\.map)$/,
  /^dist\/page\/(index\.html|icon\.svg|assets\/index-[\w-]+\.css)$/,
  /^(templates\/\w+\.(ts|env)|migrations\/\d{4}_\w+\.sql|kafka\/(pom\.xml|log4j2\.properties))$/,
]

describe.each(published)('packages/%s, packed', (folder) => {
  test('holds what it needs to run and to be read, and nothing else', () => {
    const files = readdirSync(homeOf(folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(homeOf(folder).length + 1))
    expect(files.filter((file) => !allowed.some((pattern) => pattern.test(file)))).toEqual([])
    expect(files).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'package.json']))
    // A source map that names files nobody has is an error in the debugger of whoever steps into it.
    const maps = files.filter((file) => file.endsWith('.map'))
    expect(maps.length).toBeGreaterThan(0)
    const empty = maps.filter((file) => {
      const { sourcesContent } = JSON.parse(readFileSync(join(homeOf(folder), file), 'utf8')) as {
        sourcesContent?: unknown[]
      }
      return sourcesContent?.some((content) => typeof content !== 'string') ?? true
    })
    expect(empty).toEqual([])
  })

  test('says what it is and what it wants, and its entry points are there', () => {
    const manifest = packedOf(folder)
    expect(manifest).toMatchObject({
      license: 'MIT',
      type: 'module',
      engines: { node: expect.stringMatching(/^>=\d/) },
    })
    expect(manifest.description).toMatch(/\w/)
    expect(JSON.stringify({ ...manifest.dependencies, ...manifest.peerDependencies })).not.toMatch(
      /workspace:|catalog:/,
    )
    const targets = Object.values(manifest.exports ?? {}).flatMap((target) =>
      typeof target === 'string' ? [target] : Object.values(target),
    )
    expect(targets.length).toBeGreaterThan(1)
    const missing = [...targets, ...Object.values(manifest.bin ?? {})].filter(
      (target) => !existsSync(join(homeOf(folder), String(target))),
    )
    expect(missing).toEqual([])
  })
})

/** Every entry point, as it is imported. */
const entries = (): string[] =>
  published.flatMap((folder) => {
    const { name, exports = {} } = packedOf(folder)
    return Object.keys(exports).map((subpath) => name + subpath.slice(1))
  })

test('the command runs in a project that has nothing else', async () => {
  const bin = join(homeOf('cli'), String(packedOf('cli').bin?.oncebox))
  const { stdout } = await run(process.execPath, [bin, '--help'], { cwd: project })
  expect(stdout).toContain('Usage: oncebox')
  const version = await run(process.execPath, [bin, '--version'], { cwd: project })
  expect(version.stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/)
})

test('every entry point can be imported', async () => {
  // The conformance suite and the global set-up are for vitest, which calls them.
  const plain = entries().filter((entry) => !/conformance|global-setup|harness/.test(entry))
  const code = plain.map((entry) => `await import('${entry}')`).join('\n')
  await run(process.execPath, ['--input-type=module', '--eval', code], { cwd: project })
}, 60_000)

test.each([
  ['NodeNext', 'NodeNext'],
  ['ESNext', 'Bundler'],
])(
  'every entry point has its types, with module %s and resolution %s',
  async (module, moduleResolution) => {
    const imports = entries().map(
      (entry, index) => `import * as entry${index} from '${entry}'\nexport { entry${index} }`,
    )
    writeFileSync(join(project, 'all.ts'), imports.join('\n'))
    const compilerOptions = {
      module,
      moduleResolution,
      target: 'ES2024',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
    }
    // What our declarations import is held to what users get by the architecture tests.
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['all.ts'] }))
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const said = await run(process.execPath, [compiler, '-p', project, '--pretty', 'false'], { cwd: project }).then(
      () => '',
      (error: { stdout: string }) => error.stdout,
    )
    expect(said).toBe('')
  },
  60_000,
)
