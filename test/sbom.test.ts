import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { manifestOf, packageFolders, root } from './workspace.js'

interface Component {
  readonly name: string
  readonly group?: string
  readonly version: string
  readonly purl: string
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
}

test('the bill of materials lists what every package needs to run, with checksums, and names no host', async () => {
  const script = pathToFileURL(join(root, 'scripts/sbom.mjs')).href
  const { sbom } = (await import(script)) as { sbom: (toolchain: { pnpm: string }) => { components: Component[] } }
  const found = join(root, '.cache/toolchain.json')
  // Whoever works with a pnpm of their own has it in PATH.
  const toolchain = existsSync(found) ? (JSON.parse(readFileSync(found, 'utf8')) as { pnpm: string }) : { pnpm: 'pnpm' }
  const text = JSON.stringify(sbom(toolchain))
  const bom = JSON.parse(text) as { bomFormat: string; specVersion: string; components: Component[] }
  expect(bom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6' })
  expect(text.match(/https?:\/\/(?!cyclonedx\.org\/)[^"]*/g)).toBeNull()

  const named = new Map(
    bom.components.map((each) => [each.group === undefined ? each.name : `${each.group}/${each.name}`, each]),
  )
  const shipped = packageFolders.map(manifestOf).filter((manifest) => manifest.private !== true)
  const needed = new Set(shipped.flatMap(({ dependencies = {} }) => Object.keys(dependencies)))
  const foreign = [...needed].filter((name) => !shipped.some((manifest) => manifest.name === name))
  expect(foreign).toContain('pg')
  expect(foreign.filter((name) => !named.has(name))).toEqual([])
  for (const component of bom.components.filter(({ purl }) => !/\/(oncebox|%40oncebox)/.test(purl))) {
    expect(component.purl).toMatch(/^pkg:npm\/.+@\d/)
    expect(component.hashes?.[0]?.alg, component.name).toBe('SHA-512')
  }
  // Tools that only build and test us are not what users get.
  expect(named.has('vitest')).toBe(false)
  expect(named.has('selfsigned')).toBe(false)
})
