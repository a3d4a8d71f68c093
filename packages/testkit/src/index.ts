export { expectHandledOnce } from '@oncebox/inbox/testing'
export { chaos } from './chaos/chaos.js'
export type { ChaosFinding } from './chaos/findings.js'
export type { ChaosHandler, ChaosOptions, ChaosProbe } from './chaos/options.js'
export type { ChaosReport } from './chaos/report.js'
export type { Guard } from './chaos/writes.js'
export { type Crew, type CrewOptions, startCrew } from './crew.js'
export { freePort } from './freePort.js'
export type {
  CommittedEmit,
  Effect,
  FencedWrite,
  GroupHistory,
  History,
  PublishedRecord,
  ReportedCounts,
} from './history/history.js'
export { judgeHistory } from './history/judgeHistory.js'
export { explainViolation, type Rule, type Violation } from './history/violation.js'
export type { JavaToolResult } from './javaTool.js'
export { type KafkaAvailability, kafkaAvailability } from './kafkaRuntime.js'
export { type KafkaOptions, type KafkaServer, startKafka } from './kafkaServer.js'
export { type Pgbouncer, type PgbouncerOptions, startPgbouncer } from './pgbouncer.js'
export type { PostgresSource, PostgresVersion } from './postgresBinaries.js'
export { fastSettings, type PostgresOptions, type PostgresServer, startPostgres } from './postgresServer.js'
export { startStandby } from './postgresStandby.js'
export { openSmallDisk, type SmallDisk, type SmallDiskOptions } from './smallDisk.js'
export { type NodeProcess, type NodeProcessEnd, type SpawnNodeOptions, spawnNode } from './spawnNode.js'
export { type StandstillOptions, standstill } from './standstill.js'
export { startProxy, type TcpProxy, type TcpProxyOptions } from './tcpProxy.js'
export { type UntilOptions, until } from './until.js'
