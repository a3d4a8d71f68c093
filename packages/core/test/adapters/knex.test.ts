import { knexDatabase } from '@oncebox/core/knex'
import knex, { type Knex } from 'knex'
import { describeAdapter } from './adapterSuite.js'

describeAdapter<Knex.Transaction>(
  'Knex',
  (url) => {
    const db = knex({
      client: 'pg',
      connection: url,
      pool: { min: 0, max: 2 },
      // As knexSnakeCaseMappers would: what it makes of our rows must not reach us.
      postProcessResponse: () => ({ rows: [] }),
    })
    return {
      database: knexDatabase(db),
      transaction: (work) => db.transaction(work),
      nested: (trx, work) => trx.transaction(work),
      insert: (trx, text) => trx('note').insert({ text }),
      outside: db,
      close: () => db.destroy(),
    }
  },
  { tellsEnd: true },
)
