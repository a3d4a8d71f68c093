import pg from 'pg'
import type { Trap } from './trap.js'

/** A pool of pg's own clients whose statements pass the trap on their way to the server. */
export function trappedPool(connectionString: string, trap: Trap): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 4, Client: clientsThrough(trap) })
  pool.on('error', () => undefined)
  return pool
}

/** One such client, to be connected by the caller. */
export function trappedClient(connectionString: string, trap: Trap): pg.Client {
  return new (clientsThrough(trap))({ connectionString })
}

function clientsThrough(trap: Trap): typeof pg.Client {
  return class extends pg.Client {
    // pg's own overloads are many; what passes here is passed on as it came.
    override query(...args: unknown[]): never {
      const moment = trap.statement(textOf(args[0]))
      if (moment === 'before') trap.spring()
      const answer = (super.query as (...args: unknown[]) => unknown).apply(this, args)
      if (moment === 'sent') trap.springOnceSent()
      // The first to hear of the answer: nobody else has acted on it.
      if (moment === 'after') {
        ;(answer as Promise<unknown>).then(
          () => trap.spring(),
          () => trap.missed(),
        )
      }
      return answer as never
    }
  }
}

function textOf(query: unknown): string {
  return typeof query === 'string' ? query : ((query as { text?: string }).text ?? '')
}
