import type { Tx } from '@oncebox/core'
import pg from 'pg'

/** Sessions of their own on a database, ended together. */
export interface Sessions extends AsyncDisposable {
  open(): Promise<pg.Client>
}

export function sessions(url: string): Sessions {
  const clients: pg.Client[] = []
  return {
    async open() {
      const client = new pg.Client({ connectionString: url })
      // Dropping the database ends sessions that a failed test left open.
      client.on('error', () => undefined)
      await client.connect()
      clients.push(client)
      return client
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.end()))
    },
  }
}

/** A pooler in transaction mode: every transaction runs in another of the sessions. */
export function transactionPooler(clients: readonly Tx[]): Tx {
  let turn = 0
  return {
    query(text, values) {
      const client = clients[turn % clients.length]
      if (client === undefined) throw new Error('a pooler needs sessions')
      if (text === 'COMMIT' || text === 'ROLLBACK') turn += 1
      return client.query(text, values)
    },
  }
}

/** The SQLSTATE that a statement fails with, or `done`. */
export async function outcome(statement: Promise<unknown>): Promise<string> {
  return statement.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? String(error),
  )
}
