import { tables } from '@oncebox/schema'
import { postgresVersions } from '@oncebox/testkit/harness'
import type pg from 'pg'
import { describe, expect, test } from 'vitest'
import { locateStatement, pageStatement, windowSessionSettings, windowStatement } from '../dist/windowQuery.js'
import { bench } from './relayBench.js'

interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows': number
  'Rows Removed by Filter'?: number
  Plans?: PlanNode[]
}

function nodes(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodes)]
}

const share = { lane: 0, lanes: 1 }
const statements = {
  window: { text: windowStatement(tables(), share), types: 'pg_snapshot, int' },
  locate: { text: locateStatement(tables(), share), types: 'pg_snapshot' },
  page: { text: pageStatement(tables(), share), types: 'pg_snapshot, int, pg_snapshot, bigint' },
}

/** Runs a statement as the relay does, and tells which nodes its plan read the outbox with. */
async function readsOf(client: pg.Client, kind: keyof typeof statements, values: readonly (string | number)[]) {
  for (const [name, value] of Object.entries(windowSessionSettings)) await client.query(`set ${name} = ${value}`)
  const { text, types } = statements[kind]
  await client.query(`prepare ${kind}_plan (${types}) as ${text}`)
  const { rows } = await client.query(
    `explain (analyze, timing off, format json) execute ${kind}_plan (${values.map((value) => `'${value}'`).join(', ')})`,
  )
  await client.query(`deallocate ${kind}_plan`)
  const all = nodes(rows[0]['QUERY PLAN'][0].Plan)
  const reads = all.filter((node) => node['Relation Name']?.startsWith('outbox'))
  return {
    types: [...new Set(reads.map((node) => node['Node Type']))],
    indexes: [...new Set(reads.map((node) => node['Index Name']?.replace(/^outbox_\w+?_(xid|position)_idx$/, '$1')))],
    rows: reads.reduce((sum, node) => sum + node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0), 0),
    scheduled: all
      .filter((node) => node['Relation Name'] === 'scheduled')
      .map((node) => ({
        index: node['Index Name'],
        rows: node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0),
      })),
    sortsBelowLimit: all.some((node) => node['Node Type'] === 'Limit' && node.Plans?.[0]?.['Node Type'] === 'Sort'),
  }
}

describe.each(postgresVersions)('plans on Postgres %i', (version) => {
  const shapes = {
    'a leaf never analyzed': '',
    'an analyzed leaf': 'analyze oncebox.outbox',
    'a leaf whose statistics say it is empty': `truncate oncebox.outbox; analyze oncebox.outbox`,
  }
  for (const [shape, analyze] of Object.entries(shapes)) {
    test(`${shape} with everything retained: windows are found by xid, pages by position, neither reads what is retained`, async () => {
      await using at = await bench({ version })
      const client = await at.open()
      for (let slot = 0; slot < 8; slot++) {
        await client.query(`alter table oncebox.outbox_${slot} set (autovacuum_enabled = off)`)
      }
      if (shape.includes('empty')) await client.query(analyze)
      await at.fill('t', 3_000)
      const { rows } = await client.query('select pg_current_snapshot()::text as last')
      const last = rows[0].last
      for (let i = 0; i < 3; i++) await client.query(`select oncebox.emit('t', 'k', 'x', $1::text)`, [`${i}`])
      if (!shape.includes('empty')) await client.query(analyze)

      const small = await readsOf(client, 'window', [last, 501])
      expect(small).toMatchObject({ types: ['Index Scan'], indexes: ['xid'], rows: 3 })

      await at.fill('t', 1_000)
      const upper = (await client.query('select pg_current_snapshot()::text as upper')).rows[0].upper
      const large = await readsOf(client, 'window', [last, 501])
      expect(large).toMatchObject({ types: ['Index Scan'], indexes: ['xid'], rows: 501 })

      const located = await readsOf(client, 'locate', [last])
      expect(located).toMatchObject({ types: ['Index Scan'], indexes: ['xid'], rows: 1003 })

      const page = await readsOf(client, 'page', [last, 500, upper, 3_503])
      expect(page).toMatchObject({ types: ['Index Scan'], indexes: ['position'], sortsBelowLimit: false })
      expect(page.rows).toBeLessThan(520)
    })
  }

  test('messages scheduled for later cost a window nothing, however many there are', async () => {
    await using at = await bench({ version })
    const client = await at.open()
    await client.query(
      `insert into oncebox.scheduled (due_at, id, source, topic, key, type)
      select now() + interval '1 hour', gen_random_uuid(), 's', 't', 'k', 'x' from generate_series(1, 1000)`,
    )
    const { scheduled } = await readsOf(client, 'window', ['3:3:', 500])
    expect(scheduled).toEqual([{ index: 'scheduled_due_at', rows: 0 }])
  })
})
