export { fromKnex, knexDatabase } from '@oncebox/core/knex'
