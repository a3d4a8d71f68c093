export type { PostgresSource, PostgresVersion } from './postgresBinaries.js'
export { fastSettings, type PostgresOptions, type PostgresServer, startPostgres } from './postgresServer.js'
export { startStandby } from './postgresStandby.js'
export { type UntilOptions, until } from './until.js'
