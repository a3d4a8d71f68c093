import { fastSettings, startKafka, startPostgres } from '@oncebox/testkit'
import type { Servers } from './servers.js'

/** A Postgres and a Kafka for this process alone. They end with it, however it ends. */
export async function startServers(): Promise<Servers & AsyncDisposable> {
  const [postgres, broker] = await Promise.all([startPostgres({ settings: fastSettings }), startKafka()])
  return {
    brokers: broker.brokers,
    createDatabase: () => postgres.createDatabase(),
    dropDatabase: (url) => postgres.dropDatabase(url),
    wired: (url) => url,
    async [Symbol.asyncDispose]() {
      await Promise.all([postgres.remove(), broker.remove()])
    },
  }
}
