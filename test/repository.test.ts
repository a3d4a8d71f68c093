import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { read, repositoryFiles, root } from './workspace.js'

const manifests = repositoryFiles().filter((file) => /(^|\/)package\.json$/.test(file))
const exact = /^\d+\.\d+\.\d+(-[\w.]+)?$/

test('no file is longer than 400 lines, except what a generator wrote', () => {
  const long = repositoryFiles()
    .filter((file) => file !== 'pnpm-lock.yaml' && !/\/generated\/|^docs\/reference\/|\.png$/.test(file))
    .map((file) => ({ file, lines: read(file).split('\n').length - 1 }))
    .filter(({ lines }) => lines > 400)
  expect(long).toEqual([])
})

test('a picture of the dashboard is no larger than a page should load', () => {
  const pictures = repositoryFiles().filter((file) => file.endsWith('.png'))
  expect(pictures.length).toBeLessThanOrEqual(7)
  expect(pictures.filter((file) => statSync(join(root, file)).size >= 150_000)).toEqual([])
})

test('every dependency has an exact version, in the catalog or in the manifest', () => {
  const loose = manifests.flatMap((file) => {
    const { dependencies, devDependencies } = JSON.parse(read(file)) as Record<string, Record<string, string>>
    return Object.entries({ ...dependencies, ...devDependencies })
      .filter(([, version]) => !['catalog:', 'workspace:*'].includes(version))
      .filter(([, version]) => !exact.test(version.replace(/^npm:.+@/, '')))
      .map(([name, version]) => `${file}: ${name} ${version}`)
  })
  expect(loose).toEqual([])

  const catalog = /^catalog:\n((?: {2}.*\n)+)/m.exec(read('pnpm-workspace.yaml'))?.[1] ?? ''
  const entries = catalog.trim().split('\n')
  expect(entries.length).toBeGreaterThan(10)
  expect(entries.filter((entry) => !exact.test(entry.split(': ').at(-1) ?? ''))).toEqual([])
})

test('no source needs what the oldest Node.js of its package has not', () => {
  // Of Node.js 24; `using` itself is compiled to what older ones know.
  const newer = /\b(Async)?DisposableStack\(/
  const sources = repositoryFiles().filter((file) => /^packages\/[^/]+\/src\/.*\.ts$/.test(file))
  expect(sources.filter((file) => newer.test(read(file)))).toEqual([])
})

test('the lockfile names no host', () => {
  expect(read('pnpm-lock.yaml').match(/^.*(:\/\/|tarball:).*$/gm)).toBeNull()
})
