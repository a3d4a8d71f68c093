export { fromPg, type PgOptions, pgDatabase, surviveConnectionLoss } from '@oncebox/core/pg'
