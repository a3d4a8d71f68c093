import { defineMessages, isOnceboxError, localIds, sqlState, type Tx, uniqueViolation } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { createOutbox } from '@oncebox/outbox'
import { migrate } from '@oncebox/schema'
import { type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import { memoryTransport } from '@oncebox/transport/memory'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { type AdapterKit, type AdapterTraits, failureOf } from './adapterKit.js'

const messages = defineMessages({
  'note.written': { topic: 'notes', schema: z.object({ text: z.string() }), key: (note) => note.text },
})

/** What every adapter promises, on the real library and a real Postgres. */
export function describeAdapter<Trx>(
  name: string,
  open: (url: string) => AdapterKit<Trx>,
  traits: AdapterTraits,
): void {
  describe(name, () => {
    let test: TestDatabase
    let kit: AdapterKit<Trx>
    const outbox = createOutbox({ source: 'shop', messages })

    beforeAll(async () => {
      test = await testDatabase({
        async prepare({ pool }) {
          const client = await pool.connect()
          await migrate(fromPg(client)).finally(() => client.release())
          await pool.query(
            'create table note (text text primary key, other text references note deferrable initially deferred)',
          )
        },
      })
    })
    beforeEach(async () => {
      await test.pool.query('truncate note, oncebox.outbox, oncebox.inbox')
      kit = open(test.url)
      return () => kit.close()
    })
    afterAll(() => test?.drop())

    const notes = async (): Promise<string[]> =>
      (await test.pool.query('select text from note order by text')).rows.map((row) => row.text)
    const emitted = async (): Promise<string[]> =>
      (await test.pool.query('select key from oncebox.outbox order by position')).rows.map((row) => row.key)
    const write = (tx: Tx, text: string) => tx.query('insert into note (text) values ($1)', [text])
    const terminate = async (tx: Tx) => {
      const { rows } = await tx.query<{ the_pid: number }>('select pg_backend_pid()::int as the_pid')
      await test.pool.query('select pg_terminate_backend($1, 5000)', [rows[0]?.the_pid])
    }

    describe('the Tx', () => {
      it('G2: emits in the transaction of the library, and a rollback takes the message back', async () => {
        await kit.transaction(async (trx) => {
          await kit.insert(trx, 'a')
          await outbox.emit(kit.database.txOf(trx), 'note.written', { text: 'a' })
          expect(await emitted()).toEqual([])
        })
        const undo = kit.transaction(async (trx) => {
          await kit.insert(trx, 'b')
          await outbox.emit(kit.database.txOf(trx), 'note.written', { text: 'b' })
          throw new Error('undo')
        })
        expect((await failureOf(undo)).message).toBe('undo')
        expect(await notes()).toEqual(['a'])
        expect(await emitted()).toEqual(['a'])
      })

      it('G2: a nested transaction takes back what was emitted in it, and nothing else', async () => {
        await kit.transaction(async (trx) => {
          await outbox.emit(kit.database.txOf(trx), 'note.written', { text: 'before' })
          const undone = kit.nested(trx, async (inner) => {
            await outbox.emit(kit.database.txOf(inner), 'note.written', { text: 'undone' })
            throw new Error('undo')
          })
          await failureOf(Promise.resolve(undone))
          await kit.nested(trx, async (inner) => {
            await outbox.emit(kit.database.txOf(inner), 'note.written', { text: 'nested' })
          })
          await outbox.emit(kit.database.txOf(trx), 'note.written', { text: 'after' })
        })
        expect(await emitted()).toEqual(['before', 'nested', 'after'])
      })

      it('writes one message and many, with headers, bytes and nothing in them', async () => {
        const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
        const headers = { 'x-quote': `'"\\ ? :a $1 ä` }
        await kit.transaction(async (trx) => {
          const tx = kit.database.txOf(trx)
          await outbox.emit(tx, { topic: 't', key: 'one', type: 'x', data: bytes, headers })
          await outbox.emitMany(tx, [
            { topic: 't', key: 'two', type: 'x', data: bytes, headers },
            { topic: 't', key: null, type: 'x', data: null },
          ])
        })
        const { rows } = await test.pool.query('select key, headers, payload from oncebox.outbox order by position')
        expect(rows).toMatchObject([
          { key: 'one', headers, payload: Buffer.from(bytes) },
          { key: 'two', headers, payload: Buffer.from(bytes) },
          { key: null },
        ])
      })

      it('sends and reads every kind of value that the statements use, on any driver alike', async () => {
        const bytes = Uint8Array.of(0, 39, 92, 255)
        await kit.transaction(async (trx) => {
          const tx = kit.database.txOf(trx)
          const { rows } = await tx.query<Record<string, unknown>>(
            `select $1::text || $1::text as twice, $2::bytea as the_bytes, $3::text is null as nothing, $4::integer + 1 as number,
               $5::boolean as yes, $6::bigint::text as big_number, $7::jsonb ->> 'a' as from_json, $8::uuid::text as id,
               '{"a":1}'::jsonb ? 'a' as has, $9::text as last, $10::text as tenth, null as none`,
            ['a?', bytes, null, 41, true, '9007199254740993', '{"a":"ä"}', localIds.next(), `'":x \\`, 'ten'],
          )
          expect(rows).toEqual([
            {
              twice: 'a?a?',
              the_bytes: expect.any(Uint8Array),
              nothing: true,
              number: 42,
              yes: true,
              big_number: '9007199254740993',
              from_json: 'ä',
              id: expect.stringMatching(/^[0-9a-f-]{36}$/),
              has: true,
              last: `'":x \\`,
              tenth: 'ten',
              none: null,
            },
          ])
          expect(Buffer.from(rows[0]?.the_bytes as Uint8Array)).toEqual(Buffer.from(bytes))
        })
      })

      it('takes arrays as one JSON text, and gives rows in order', async () => {
        const list = ['b', 'a', `{"'`, '']
        await kit.transaction(async (trx) => {
          const { rows } = await kit.database
            .txOf(trx)
            .query('select the_text from json_array_elements_text($1::text::json) as the_text', [JSON.stringify(list)])
          expect(rows).toEqual(list.map((the_text) => ({ the_text })))
        })
      })

      it('answers statements without rows with none', async () => {
        await kit.transaction(async (trx) => {
          const tx = kit.database.txOf(trx)
          for (const text of [
            "insert into note (text) values ('a')",
            "update note set text = 'b'",
            'delete from note',
            'lock table note in share mode',
          ])
            expect((await tx.query(text)).rows).toEqual([])
          expect((await tx.query("insert into note (text) values ('c') returning text")).rows).toEqual([{ text: 'c' }])
          expect((await tx.query("update note set text = 'd' returning text")).rows).toEqual([{ text: 'd' }])
          expect((await tx.query('delete from note returning text')).rows).toEqual([{ text: 'd' }])
        })
      })

      it('keeps parameters out of the texts of its errors', async () => {
        const error = await failureOf(
          kit.transaction(async (trx) => kit.database.txOf(trx).query('select 1/length($1::text)', [''])),
        )
        expect(sqlState(error)).toBe('22012')
        const wrong = await failureOf(
          kit.transaction(async (trx) => kit.database.txOf(trx).query('select $1::text, 1/0', ['secret-value'])),
        )
        expect(sqlState(wrong)).toBe('22012')
        expect(wrong.message).not.toContain('secret-value')
      })

      it('lets a unique violation be recognized, from its own statements and the library’s', async () => {
        await test.pool.query("insert into note values ('a')")
        const own = await failureOf(kit.transaction((trx) => write(kit.database.txOf(trx), 'a')))
        expect([sqlState(own), uniqueViolation(own, 'note_pkey')]).toEqual(['23505', true])
        const librarys = await failureOf(kit.transaction(async (trx) => void (await kit.insert(trx, 'a'))))
        expect([sqlState(librarys), uniqueViolation(librarys, 'note_pkey')]).toEqual(['23505', true])
        expect(uniqueViolation(librarys, 'note_other')).toBe(false)
      })

      it('is refused to what is no transaction', () => {
        const refused = () => kit.database.txOf(kit.outside as Trx)
        expect(refused).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
      })

      if (traits.tellsEnd) {
        it('refuses statements after the transaction, however it ended', async () => {
          const ended: Tx[] = []
          await kit.transaction(async (trx) => void ended.push(kit.database.txOf(trx)))
          const undo = kit.transaction(async (trx) => {
            ended.push(kit.database.txOf(trx))
            throw new Error('undo')
          })
          await failureOf(undo)
          for (const tx of ended) {
            expect(isOnceboxError(await failureOf(write(tx, 'late')), 'TRANSACTION_ENDED')).toBe(true)
          }
          expect(await notes()).toEqual([])
        })
      }
    })

    describe('a consumer on it', () => {
      const consumerOf = (fail: () => boolean) =>
        createConsumer({
          db: kit.database,
          subscriber: memoryTransport().subscriber(),
          group: 'g',
          messages,
          handlers: {
            'note.written': async ({ data }, { trx, tx }) => {
              await kit.insert(trx, data.text)
              await outbox.emit(tx, { topic: 'next', key: data.text, type: 'noted', data })
              if (fail()) throw new Error('handler failed')
            },
          },
        })
      const message = () => ({ type: 'note.written', id: localIds.next(), data: { text: 'a' } }) as const

      it('G3: runs a handler in the library’s own transaction, once for each message', async () => {
        const consumer = consumerOf(() => false)
        const once = message()
        expect(await consumer.deliver(once)).toEqual({ outcome: 'handled' })
        expect(await consumer.deliver(once)).toEqual({ outcome: 'duplicate' })
        expect(await notes()).toEqual(['a'])
        expect(await emitted()).toEqual(['a'])
      })

      it('G3: forgets the id together with the effect when the handler fails', async () => {
        let failing = true
        const consumer = consumerOf(() => failing)
        const once = message()
        expect((await failureOf(consumer.deliver(once))).message).toBe('handler failed')
        expect(await notes()).toEqual([])
        failing = false
        expect(await consumer.deliver(once)).toEqual({ outcome: 'handled' })
        expect(await emitted()).toEqual(['a'])
      })

      it('delivers into a transaction of the caller, who takes it back', async () => {
        const consumer = consumerOf(() => false)
        const undo = kit.transaction(async (trx) => {
          expect(await consumer.deliver(message(), trx)).toEqual({ outcome: 'handled' })
          throw new Error('undo')
        })
        expect((await failureOf(undo)).message).toBe('undo')
        expect(await notes()).toEqual([])
      })
    })

    describe('its transactions', () => {
      it('commit what the work wrote, in READ COMMITTED, and give back its result', async () => {
        await test.pool.query(`alter database ${test.name} set default_transaction_isolation = 'serializable'`)
        onTestFinished(async () => {
          await test.pool.query(`alter database ${test.name} reset default_transaction_isolation`)
        })
        const result = await kit.database.transaction(async ({ trx, tx }) => {
          await kit.insert(trx, 'a')
          await write(tx, 'b')
          expect(await notes()).toEqual([])
          return (await tx.query('select current_setting($1::text) as the_level', ['transaction_isolation'])).rows
        })
        expect(result).toEqual([{ the_level: 'read committed' }])
        expect(await notes()).toEqual(['a', 'b'])
      })

      it('roll back when the work throws, throw the same error, and the connection serves again', async () => {
        const bug = new TypeError('bug')
        for (let round = 0; round < 4; round++) {
          const failing = kit.database.transaction(async ({ tx }) => {
            await write(tx, 'a')
            throw bug
          })
          expect(await failureOf(failing)).toBe(bug)
        }
        await kit.database.transaction(({ tx }) => write(tx, 'b'))
        expect(await notes()).toEqual(['b'])
      })

      it('throw the same error when a statement failed', async () => {
        let seen: unknown
        const failing = kit.database.transaction(async ({ tx }) => {
          await tx.query('select 1/0').catch((error) => {
            seen = error
          })
          await tx.query('select 1').catch((error) => {
            expect(sqlState(error)).toBe('25P02')
          })
          throw seen
        })
        expect(await failureOf(failing)).toBe(seen)
        expect(sqlState(seen)).toBe('22012')
      })

      it('throw the error of a COMMIT that fails, and the connection serves again', async () => {
        const failing = kit.database.transaction(({ tx }) => tx.query("insert into note values ('a', 'nobody')"))
        const error = await failureOf(failing)
        expect(sqlState(error)).toBe('23503')
        expect(isOnceboxError(error)).toBe(false)
        await kit.database.transaction(({ tx }) => write(tx, 'b'))
        expect(await notes()).toEqual(['b'])
      })

      it('do not take a COMMIT that was answered with ROLLBACK for one', async () => {
        const swallowing = kit.database.transaction(async ({ tx }) => {
          await write(tx, 'a')
          await tx.query('select 1/0').catch(() => {})
        })
        expect(isOnceboxError(await failureOf(swallowing), 'TRANSACTION_ABORTED')).toBe(true)
        await kit.database.transaction(({ tx }) => write(tx, 'b'))
        expect(await notes()).toEqual(['b'])
      })

      it('say that the connection is lost between two statements, and do not use it again', async () => {
        const lost = kit.database.transaction(async ({ tx }) => {
          await write(tx, 'a')
          await terminate(tx)
          await write(tx, 'b')
        })
        const error = await failureOf(lost)
        expect(isOnceboxError(error, 'DATABASE_UNREACHABLE')).toBe(true)
        expect(error.cause).toBeInstanceOf(Error)
        await kit.database.transaction(({ tx }) => write(tx, 'c'))
        expect(await notes()).toEqual(['c'])
      })

      it('say that the connection is lost also when the work then fails for its own reasons', async () => {
        const lost = kit.database.transaction(async ({ tx }) => {
          await terminate(tx)
          throw new TypeError('bug')
        })
        expect(isOnceboxError(await failureOf(lost), 'DATABASE_UNREACHABLE')).toBe(true)
      })

      it('say that the connection is lost when COMMIT finds it gone', async () => {
        const lost = kit.database.transaction(async ({ tx }) => {
          await write(tx, 'a')
          await terminate(tx)
        })
        expect(isOnceboxError(await failureOf(lost), 'DATABASE_UNREACHABLE')).toBe(true)
        expect(await notes()).toEqual([])
      })

      it('refuse statements that come after the end', async () => {
        let kept: Tx | undefined
        await kit.database.transaction(async ({ tx }) => {
          kept = tx
        })
        expect(isOnceboxError(await failureOf(write(kept as Tx, 'late')), 'TRANSACTION_ENDED')).toBe(true)
        expect(await notes()).toEqual([])
      })

      if (traits.connectsFirst !== true) {
        it('say that the database is unreachable when it cannot connect, or may not', async () => {
          const codes = traits.unreachable ?? { port: 'ECONNREFUSED', pathname: '3D000' }
          for (const [part, value] of [
            ['port', '1'],
            ['pathname', '/nowhere'],
          ] as const) {
            const url = new URL(test.url)
            url[part] = value
            const away = open(url.href)
            const error = await failureOf(away.database.transaction(async () => {}))
            expect(isOnceboxError(error, 'DATABASE_UNREACHABLE')).toBe(true)
            expect(error.cause).toMatchObject({ code: codes[part] })
            await away.close()
          }
        })
      }
    })
  })
}
