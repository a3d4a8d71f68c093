import { join } from 'node:path'
import { spawnNode } from '@oncebox/testkit'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { empty, migratedDatabase, outboxRows } from './kit.js'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe.each(['untraced', 'traced'])('the first emit of a process, %s and pipelined', (traced) => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  beforeEach(() => empty(database))
  afterAll(() => database?.drop())

  const run = async (end: string) => {
    await using program = spawnNode(join(import.meta.dirname, 'firstEmit.mjs'), [database.url, end, traced])
    expect(await program.ended, program.stderr).toMatchObject({ exitCode: 0 })
  }

  test('G2: is not overtaken by the ROLLBACK that was sent right behind it', async () => {
    await run('rollback')
    expect(await outboxRows(database)).toEqual([])
  })

  test('G1: is in the transaction of the COMMIT that was sent right behind it, with its trace', async () => {
    await run('commit')
    const headers = traced === 'traced' ? { traceparent } : null
    expect((await outboxRows(database)).map((row) => [row.key, row.headers])).toEqual([
      ['one', headers],
      ['many', headers],
    ])
    expect((await database.pool.query('select distinct xid from oncebox.outbox')).rowCount).toBe(1)
  })
})
