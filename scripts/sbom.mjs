import { spawnSync } from 'node:child_process'
import { root } from './root.mjs'

/**
 * The software bill of materials, CycloneDX JSON: what a user's installation may come to hold, from the lockfile, by pnpm.
 * Where a package was downloaded from is left out, its checksum is not: a lockfile names no host either.
 */
export function sbom({ pnpm }) {
  const options = ['--sbom-format', 'cyclonedx', '--sbom-spec-version', '1.6', '--prod', '--lockfile-only']
  const { status, stdout, stderr } = spawnSync(pnpm, ['sbom', ...options], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`pnpm sbom failed: ${stderr}`)
  return withoutHosts(JSON.parse(stdout))
}

function withoutHosts(bom) {
  const components = bom.components.map(({ externalReferences = [], ...component }) => {
    const hashes = externalReferences.flatMap((reference) => reference.hashes ?? [])
    return hashes.length === 0 ? component : { ...component, hashes }
  })
  return { ...bom, components }
}
