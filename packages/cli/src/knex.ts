// Knex: its transactions for producers and guards, its instances for consumers.
export { fromKnex, knexDatabase } from '@oncebox/core/knex'
