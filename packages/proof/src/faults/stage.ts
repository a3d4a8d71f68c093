import {
  fastSettings,
  freePort,
  type KafkaServer,
  openSmallDisk,
  type PostgresServer,
  type SmallDisk,
  startKafka,
  startPostgres,
  startProxy,
  type TcpProxy,
} from '@oncebox/testkit'
import { uniqueName } from '@oncebox/testkit/harness'
import { Rig } from '../crashes/rig.js'

/** A Postgres and a Kafka, each behind a proxy, and a rig whose parts reach them only through these. */
export interface Stage extends AsyncDisposable {
  readonly postgres: PostgresServer
  readonly broker: KafkaServer
  /** What the broker writes to; the reason, where a small one could not be had. */
  readonly disk: SmallDisk | Error
  readonly postgresProxy: TcpProxy
  readonly brokerProxy: TcpProxy
  readonly rig: Rig
  /** What goes wrong, and what is written, follows from it. */
  readonly random: () => number
}

/** Enough for what all faults write, and filled within a second. */
const diskBytesOfFaults = 128 << 20

/** `diskBytes`: the size of the broker's disk, where one that can be filled can be had. */
export async function setStage(random: () => number, diskBytes = diskBytesOfFaults): Promise<Stage> {
  const brokerPort = await freePort()
  const disk = await openSmallDisk({ bytes: diskBytes }).catch((error: Error) => error)
  const brokerProxy = await startProxy({ target: { host: '127.0.0.1', port: brokerPort } })
  const [postgres, broker] = await Promise.all([
    startPostgres({ settings: fastSettings }),
    // Clients that ask where the leader is are sent to the proxy.
    startKafka({
      port: brokerPort,
      settings: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${brokerProxy.port}` },
      ...(disk instanceof Error ? {} : { disk }),
    }),
  ])
  const postgresProxy = await startProxy({ target: { host: '127.0.0.1', port: postgres.port } })
  const servers = {
    brokers: [`127.0.0.1:${brokerProxy.port}`],
    createDatabase: () => postgres.createDatabase(),
    dropDatabase: (url: string) => postgres.dropDatabase(url),
    wired(url: string) {
      const wired = new URL(url)
      wired.port = String(postgresProxy.port)
      return wired.href
    },
  }
  const rig = await Rig.make(servers, uniqueName('faults'))
  return {
    postgres,
    broker,
    disk,
    postgresProxy,
    brokerProxy,
    rig,
    random,
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]().catch(() => undefined)
      await Promise.all([postgresProxy.close(), brokerProxy.close()])
      await Promise.all([postgres.remove(), broker.remove()])
      if (!(disk instanceof Error)) await disk.remove()
    },
  }
}
