export { fromPg, pgDatabase, surviveConnectionLoss } from '@oncebox/core/pg'
