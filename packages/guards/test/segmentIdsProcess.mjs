import { segmentIds } from '@oncebox/guards'
import pg from 'pg'

// Prints ids of the id service, a line each, as fast as segments come.
const [url, count] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString: url, max: 1 })
const ids = segmentIds({ db: pool, ahead: 2 })
const made = []
await ids.ready()
while (made.length < Number(count)) {
  if (ids.available === 0) await ids.ready()
  made.push(ids.next())
}
process.stdout.write(`${made.join('\n')}\n`)
await pool.end()
