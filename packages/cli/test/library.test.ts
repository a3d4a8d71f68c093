import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  exports: Record<string, unknown>
}

test('every subpath of the package can be imported and offers what the design says', async () => {
  const offered = await Promise.all(
    Object.keys(exports).map(async (subpath) => {
      const module = (await import(`oncebox${subpath.slice(1)}`)) as object
      return [subpath, Object.keys(module)] as const
    }),
  )
  expect(Object.fromEntries(offered)).toMatchObject({
    '.': expect.arrayContaining(['defineMessages', 'OnceboxError', 'isOnceboxError']),
    './outbox': ['createOutbox'],
    './relay': expect.arrayContaining(['createRelay']),
    './inbox': expect.arrayContaining(['createConsumer', 'batch']),
    './guards': expect.arrayContaining([
      'businessKey',
      'transition',
      'versioned',
      'upsert',
      'segmentIds',
      'withFallback',
    ]),
    './schema': expect.arrayContaining(['migrate', 'plan', 'printMigrations']),
    './pg': expect.arrayContaining(['fromPg', 'pgDatabase']),
    './kysely': ['fromKysely', 'kyselyDatabase'],
    './drizzle': ['drizzleDatabase', 'fromDrizzle'],
    './knex': ['fromKnex', 'knexDatabase'],
    './postgres-js': ['fromPostgresJs', 'postgresJsDatabase'],
    './typeorm': ['fromTypeorm', 'typeormDatabase'],
    './mikro-orm': ['fromMikroOrm', 'mikroOrmDatabase'],
    './prisma': ['fromPrisma', 'prismaDatabase'],
    './memory': ['memoryTransport'],
    './metrics': expect.arrayContaining([
      'consumerReadiness',
      'databaseReadiness',
      'operations',
      'prometheusMetrics',
      'relayReadiness',
    ]),
    './metrics/opentelemetry': ['openTelemetryMetrics'],
    './webhook': ['webhookNotifier'],
    './testing': expect.arrayContaining(['expectEmitted', 'memoryTransport']),
  })
})
