import { DockerfileParser, type Instruction } from 'dockerfile-ast'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { page } from '../docs/pages.js'
import { deployed, requireKnown, requireNoSecret } from './commandLine.js'

const dockerfile = DockerfileParser.parse(deployed('docker/Dockerfile'))
const instructions = dockerfile.getInstructions()
const last = (keyword: string): Instruction =>
  instructions.findLast((instruction) => instruction.getKeyword() === keyword) as Instruction
const words = (keyword: string): string[] => JSON.parse(last(keyword).getArgumentsContent() ?? '')

/** The variables of the stage that is shipped. */
function variables(): Map<string, string> {
  const pairs = dockerfile.getENVs().flatMap((env) => env.getProperties())
  return new Map(pairs.map((pair) => [pair.getName(), pair.getValue() ?? '']))
}

test('the image is small, is no root, and starts a relay whose endpoint its healthcheck asks', async () => {
  const stages = dockerfile.getFROMs()
  expect(stages).toHaveLength(2)
  expect(stages.map((stage) => stage.getBuildStage())).toEqual(['build', null])
  expect(last('USER').getArgumentsContent()).toBe('1000:1000')
  // Only what was deployed comes out of the first stage.
  const shipped = dockerfile
    .getCOPYs()
    .filter((copy) => (copy.getRange()?.start.line ?? 0) > (stages[1]?.getRange()?.start.line ?? 0))
  expect(shipped.map((copy) => [copy.getFromFlag()?.getValue(), copy.getArgumentsContent()])).toEqual([
    ['build', '/app /app'],
  ])
  expect(words('ENTRYPOINT').at(-1)).toBe('/app/node_modules/oncebox/dist/bin.js')
  const env = [...variables().keys()].filter((name) => name !== 'NODE_ENV')
  await requireKnown({ args: words('CMD'), environment: env })
  const port = variables().get('ONCEBOX_HTTP_PORT')
  expect(last('EXPOSE').getArgumentsContent()).toBe(port)
  expect(dockerfile.getHEALTHCHECKs()[0]?.getRawArgumentsContent()).toContain(`http://127.0.0.1:${port}/livez`)
  requireNoSecret(deployed('docker/Dockerfile'))
})

test('the image takes the versions that the repository works with', () => {
  const toolchain = page('scripts/toolchain.mjs').text
  const version = (name: string) => new RegExp(`fetched${name} = '([\\d.]+)'`).exec(toolchain)?.[1]
  expect(dockerfile.getFROMs().map((stage) => stage.getImageTag())).toEqual(
    Array.from({ length: 2 }, () => `${version('Node')}-bookworm-slim`),
  )
  expect(deployed('docker/Dockerfile')).toContain(`pnpm@${version('Pnpm')}`)
})

interface Service {
  readonly image?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number>>
  readonly depends_on?: Readonly<Record<string, unknown>>
  readonly volumes?: readonly string[]
  readonly read_only?: boolean
  readonly stop_grace_period?: string
}

test('compose starts Postgres and Kafka, migrates once, and then relays by a login with the rights of one', async () => {
  const text = deployed('docker/compose.yaml')
  const compose = parse(text, { merge: true }) as { services: Record<string, Service>; volumes: Record<string, null> }
  const { services } = compose
  expect(Object.keys(services)).toEqual(['postgres', 'kafka', 'migrate', 'logins', 'relay', 'status'])
  for (const [name, service] of Object.entries(services)) {
    for (const other of Object.keys(service.depends_on ?? {})) expect(Object.keys(services)).toContain(other)
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':')
      if (source.startsWith('./')) expect(deployed(`docker/${source.slice(2)}`), name).not.toBe('')
      else expect(Object.keys(compose.volumes)).toContain(source)
    }
    if (service.image !== 'oncebox') continue
    expect(service.read_only).toBe(true)
    const environment = Object.keys(service.environment ?? {})
    const flags = await requireKnown({ args: service.command ?? [], environment })
    const deadline = flags.get('--deadline-ms')
    if (deadline !== undefined)
      expect(Number.parseInt(service.stop_grace_period ?? '', 10) * 1000).toBeGreaterThan(Number(deadline) + 2_000)
  }
  expect(services.relay?.environment?.DATABASE_URL).toContain('postgres://relay:')
  expect(deployed('docker/logins.sh')).toContain('GRANT oncebox_relay, oncebox_viewer TO relay')
  requireNoSecret(text)
  requireNoSecret(deployed('docker/.env.example'))
  for (const [, name] of text.matchAll(/\$\{(\w+)/g)) expect(deployed('docker/.env.example')).toContain(`${name}=`)
})
