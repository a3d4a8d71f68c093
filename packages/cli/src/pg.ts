// node-postgres: its transactions for producers and guards, its pools for consumers.
export { fromPg, type PgOptions, pgDatabase, surviveConnectionLoss } from '@oncebox/core/pg'
