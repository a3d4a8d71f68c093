import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type KafkaServer, startKafka } from './kafkaServer.js'
import type { PostgresVersion } from './postgresBinaries.js'
import { fastSettings, type PostgresServer, startPostgres } from './postgresServer.js'

/** What test files ask for: a server that is started for the first who asks and shared by all. */
export interface SharedServers {
  /** Connection string of the database `postgres`. */
  postgres(version: PostgresVersion): Promise<string>
  /** The broker's address, `host:port`. */
  kafka(): Promise<string[]>
  stop(): Promise<void>
}

/** Starts nothing yet. The caller stops it, and with it what was started meanwhile. */
export function createSharedServers(): SharedServers {
  const postgres = new Map<PostgresVersion, Promise<PostgresServer>>()
  let kafka: Promise<KafkaServer> | undefined
  return {
    async kafka() {
      kafka ??= startKafka()
      return (await kafka).brokers
    },
    async postgres(version) {
      let server = postgres.get(version)
      if (server === undefined) {
        server = startPostgres({ version, settings: fastSettings })
        postgres.set(version, server)
      }
      return (await server).url
    },
    async stop() {
      const started = await Promise.allSettled([...postgres.values(), ...(kafka === undefined ? [] : [kafka])])
      await Promise.all(started.map((result) => result.status === 'fulfilled' && result.value.remove()))
    },
  }
}

// Test files run in processes of their own, so they ask the process that holds the servers over a socket.
const addressVariable = 'ONCEBOX_TEST_SERVERS'

/** Lets child processes ask for `servers` through an environment variable. Resolves with the way to stop that. */
export async function offerSharedServers(servers: SharedServers): Promise<() => Promise<void>> {
  const http: Server = createServer((request, response) => {
    answer(servers, request.url ?? '').then(
      (value) => response.end(JSON.stringify({ value })),
      (error: Error) => response.writeHead(500).end(JSON.stringify({ error: error.message })),
    )
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  process.env[addressVariable] = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  return async () => {
    delete process.env[addressVariable]
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  }
}

function answer(servers: SharedServers, path: string): Promise<unknown> {
  const [, kind, version] = path.split('/')
  if (kind === 'postgres') return servers.postgres(Number(version) as PostgresVersion)
  if (kind === 'kafka') return servers.kafka()
  return Promise.reject(new Error(`nobody serves ${path}`))
}

/** The servers of the parent process, or undefined when none offers any. */
export function offeredServers(): Omit<SharedServers, 'stop'> | undefined {
  const address = process.env[addressVariable]
  if (address === undefined) return undefined
  return {
    postgres: (version) => ask<string>(address, `/postgres/${version}`),
    kafka: () => ask<string[]>(address, '/kafka'),
  }
}

async function ask<T>(address: string, path: string): Promise<T> {
  const response = await fetch(address + path)
  const body = (await response.json()) as { value: T; error?: string }
  if (body.error !== undefined) throw new Error(body.error)
  return body.value
}
