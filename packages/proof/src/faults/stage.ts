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
  /** What each of them writes to; the reason, where small ones could not be had. */
  readonly disks: Disks | Error
  readonly postgresProxy: TcpProxy
  readonly brokerProxy: TcpProxy
  readonly rig: Rig
  /** What goes wrong, and what is written, follows from it. */
  readonly random: () => number
}

export interface Disks {
  readonly ofPostgres: SmallDisk
  readonly ofBroker: SmallDisk
}

/** Of each disk: enough for what all faults write, and filled within a second. */
const diskBytesOfFaults = 192 << 20

/** A cluster takes 60 MB before anything is written; segments of WAL that wait to be used again would fill the disk. */
const onSmallDisk = { min_wal_size: '32MB', max_wal_size: '64MB', wal_keep_size: '0' }

/** `diskBytes`: the size of either disk, where disks that can be filled can be had. */
export async function setStage(random: () => number, diskBytes = diskBytesOfFaults): Promise<Stage> {
  const brokerPort = await freePort()
  const disks = await openDisks(diskBytes)
  const [ofPostgres, ofBroker] =
    disks instanceof Error ? [{}, {}] : [{ disk: disks.ofPostgres }, { disk: disks.ofBroker }]
  const brokerProxy = await startProxy({ target: { host: '127.0.0.1', port: brokerPort } })
  const [postgres, broker] = await Promise.all([
    startPostgres({ settings: { ...fastSettings, ...onSmallDisk }, ...ofPostgres }),
    // Clients that ask where the leader is are sent to the proxy.
    startKafka({
      port: brokerPort,
      settings: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${brokerProxy.port}` },
      ...ofBroker,
    }),
  ])
  const postgresProxy = await startProxy({ target: { host: '127.0.0.1', port: postgres.port } })
  const servers = {
    brokers: [`127.0.0.1:${brokerProxy.port}`],
    createDatabase: () => postgres.createDatabase(),
    dropDatabase: (url: string) => postgres.dropDatabase(url),
    wired: (url: string) => throughProxy(url, postgresProxy),
  }
  const rig = await Rig.make(servers, uniqueName('faults'))
  return {
    postgres,
    broker,
    disks,
    postgresProxy,
    brokerProxy,
    rig,
    random,
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]().catch(() => undefined)
      await Promise.all([postgresProxy.close(), brokerProxy.close()])
      await Promise.all([postgres.remove(), broker.remove()])
      if (!(disks instanceof Error)) await Promise.all([disks.ofPostgres.remove(), disks.ofBroker.remove()])
    },
  }
}

/** The same database, behind a proxy. */
export function throughProxy(url: string, { port }: TcpProxy): string {
  const wired = new URL(url)
  wired.port = String(port)
  return wired.href
}

async function openDisks(bytes: number): Promise<Disks | Error> {
  try {
    return { ofPostgres: await openSmallDisk({ bytes }), ofBroker: await openSmallDisk({ bytes }) }
  } catch (error) {
    return error as Error
  }
}
