import { readFile } from 'node:fs/promises'
import { kyselyDatabase } from '@oncebox/core/kysely'
import { surviveConnectionLoss } from '@oncebox/core/pg'
import { batch } from '@oncebox/inbox'
import { type ChaosReport, chaos } from '@oncebox/testkit'
import { testDatabase } from '@oncebox/testkit/harness'
import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { handlers as account } from '../../account/handlers.ts'
import { messages as accounts } from '../../account/messages.ts'
import { handlers as stats } from '../../activity-stats/handlers.ts'
import { messages as pages } from '../../activity-stats/messages.ts'
import { handlers as coupon } from '../../coupon/handlers.ts'
import { messages as coupons } from '../../coupon/messages.ts'
import { messages as orders } from '../../festival-orders/messages.ts'
import { handlers as tickets } from '../../festival-orders/tickets.ts'
import { scanHandlers } from '../../graceful-shutdown/handlers.ts'
import { messagesOf } from '../../graceful-shutdown/messages.ts'
import { handlers as members } from '../../member-sync/handlers.ts'
import { messages as directory } from '../../member-sync/messages.ts'
import { addHandled, createTables, type Handled } from '../../orders-kysely/handled.ts'
import { messages as shop } from '../../orders-kysely/messages.ts'
import { handlers as payment } from '../../payment/handlers.ts'
import { messages as payments } from '../../payment/messages.ts'

async function database(): Promise<string> {
  const created = await testDatabase()
  onTestFinished(() => created.drop())
  return created.url
}

const sql = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8')

const id = '01936f3e-7c00-7000-8000-000000000001'

const examples: Record<string, () => Promise<ChaosReport>> = {
  async payment() {
    return chaos(payment['payment.requested'], {
      messages: payments,
      message: { type: 'payment.requested', data: { serial: 'P-1', account: 'A-1', cents: 100 } },
      tables: await sql('payment/payments.sql'),
      oncePerRequest: ['payment'],
      database: await database(),
    })
  },
  async coupon() {
    return chaos(coupon['coupon.presented'], {
      messages: coupons,
      message: { type: 'coupon.presented', data: { code: 'GOOD-1', customer: 'ann' } },
      tables: await sql('coupon/coupons.sql'),
      oncePerRequest: ['coupon'],
      database: await database(),
    })
  },
  async 'account, at a version'() {
    return chaos(account['deduction.confirmed'], {
      messages: accounts,
      message: { type: 'deduction.confirmed', data: { account: 'seen-by-ten', version: 1, cents: 100 } },
      tables: await sql('account/accounts.sql'),
      oncePerRequest: ['account'],
      database: await database(),
    })
  },
  async 'account, whatever its version'() {
    return chaos(account['withdrawal.requested'], {
      messages: accounts,
      message: { type: 'withdrawal.requested', data: { account: 'fifty-at-once', cents: 30 } },
      tables: await sql('account/accounts.sql'),
      database: await database(),
    })
  },
  async 'activity-stats'() {
    return chaos(stats['page.viewed'], {
      messages: pages,
      message: { type: 'page.viewed', data: { act: 'quiz', user: 1 } },
      tables: await sql('activity-stats/tables.sql'),
      database: await database(),
    })
  },
  async 'member-sync'() {
    const member = { number: 1, name: 'Ann', left: false, revision: 2 }
    return chaos(members['directory.page'], {
      messages: directory,
      message: { type: 'directory.page', data: { directory: 'hr', members: [member, { ...member, number: 2 }] } },
      tables: await sql('member-sync/members.sql'),
      oncePerRequest: ['member'],
      database: await database(),
    })
  },
  async 'member-sync, without an inbox'() {
    const member = { number: 1, name: 'Ann', left: false, revision: 2 }
    return chaos(members['directory.page'], {
      messages: directory,
      message: { type: 'directory.page', data: { directory: 'hr', members: [member] } },
      tables: await sql('member-sync/members.sql'),
      inbox: false,
      database: await database(),
    })
  },
  async 'festival-orders'() {
    return chaos(tickets['order.placed'], {
      messages: orders,
      message: { type: 'order.placed', data: { id, user: 1, event: 'opening night' } },
      tables: await sql('festival-orders/orders.sql'),
      database: await database(),
    })
  },
  async 'graceful-shutdown'() {
    return chaos(scanHandlers(() => undefined)['parcel.scanned'], {
      messages: messagesOf('parcels'),
      message: { type: 'parcel.scanned', data: { parcel: 1, station: 'station 1' } },
      tables: await sql('graceful-shutdown/scans.sql'),
      database: await database(),
    })
  },
  async 'orders-kysely'() {
    const open = (connectionString: string) => {
      const pool = new pg.Pool({ connectionString })
      surviveConnectionLoss(pool)
      const db = new Kysely<Handled>({ dialect: new PostgresDialect({ pool }) })
      return { kysely: db, db: kyselyDatabase(db), close: () => db.destroy() }
    }
    return chaos(
      batch((received, { trx }: { trx: Transaction<Handled> }) => addHandled(trx, received)),
      {
        messages: shop,
        message: { type: 'order.paid', data: { id, paidCents: 100 } },
        prepare: async (connectionString) => {
          const { close, kysely } = open(connectionString)
          await createTables(kysely)
          await close()
        },
        open,
        database: await database(),
      },
    )
  },
}

describe('G3: chaos finds nothing wrong with the handlers of the examples', () => {
  test.each(Object.keys(examples))(
    '%s',
    async (name) => {
      const report = await examples[name]?.()
      expect(report?.text).toContain('your handler is idempotent')
    },
    60_000,
  )
})
