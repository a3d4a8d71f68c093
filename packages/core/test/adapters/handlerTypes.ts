import type { MikroORM } from '@mikro-orm/postgresql'
import type { Database } from '@oncebox/core'
import { drizzleDatabase, fromDrizzle } from '@oncebox/core/drizzle'
import { fromKnex, knexDatabase } from '@oncebox/core/knex'
import { fromMikroOrm, mikroOrmDatabase } from '@oncebox/core/mikro-orm'
import { fromPostgresJs, postgresJsDatabase } from '@oncebox/core/postgres-js'
import { fromPrisma, prismaDatabase } from '@oncebox/core/prisma'
import { fromTypeorm, typeormDatabase } from '@oncebox/core/typeorm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { pgTable, text } from 'drizzle-orm/pg-core'
import type { Knex } from 'knex'
import type { Sql, TransactionSql } from 'postgres'
import type { DataSource, EntityManager } from 'typeorm'
import type { Prisma, PrismaClient } from './prisma/generated/client.js'

/** Compiled by a test, never run: what a handler's `trx` is, library by library. */

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type TrxOf<D> = D extends Database<infer Trx> ? Trx : never
type ArgumentOf<F> = F extends (work: (trx: infer Trx) => never) => unknown ? Trx : never

declare const schema: { note: ReturnType<typeof noteTable> }
const noteTable = () => pgTable('note', { text: text() })

declare const drizzle: NodePgDatabase<typeof schema>
const onDrizzle = drizzleDatabase(drizzle)
export const drizzleType: Same<TrxOf<typeof onDrizzle>, ArgumentOf<typeof drizzle.transaction>> = true
void onDrizzle.transaction(({ trx }) => trx.query.note.findMany())
// @ts-expect-error: a database is not a transaction
fromDrizzle(drizzle)

declare const knex: Knex
const onKnex = knexDatabase(knex)
export const knexType: Same<TrxOf<typeof onKnex>, Knex.Transaction> = true
// @ts-expect-error: an instance is not a transaction
fromKnex(knex)

declare const sql: Sql<{ point: string }>
const onPostgresJs = postgresJsDatabase(sql)
export const postgresJsType: Same<TrxOf<typeof onPostgresJs>, TransactionSql<{ point: string }>> = true
// @ts-expect-error: an sql outside begin is not a transaction
fromPostgresJs(sql)

declare const dataSource: DataSource
const onTypeorm = typeormDatabase(dataSource)
export const typeormType: Same<TrxOf<typeof onTypeorm>, EntityManager> = true
// @ts-expect-error: a data source is not a transaction
fromTypeorm(dataSource)

declare const orm: MikroORM
const onMikroOrm = mikroOrmDatabase(orm)
export const mikroOrmType: Same<TrxOf<typeof onMikroOrm>, typeof orm.em> = true
// @ts-expect-error: a MikroORM is not an entity manager
fromMikroOrm(orm)

declare const prisma: PrismaClient
const onPrisma = prismaDatabase(prisma)
export const prismaType: Same<TrxOf<typeof onPrisma>, Prisma.TransactionClient> = true
void onPrisma.transaction(({ trx }) => trx.note.findMany())
// @ts-expect-error: a client is not a transaction
fromPrisma(prisma)

const extended = prisma.$extends({ model: { note: { count2: async () => 2 } } })
const onExtended = prismaDatabase(extended)
void onExtended.transaction(({ trx }) => trx.note.count2())
