import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { findPgbench, parsePgbench } from '../dist/pgbench.js'
import { pgbenchScript, withVariables } from '../dist/pgbenchScripts.js'

const directory = mkdtempSync(join(tmpdir(), 'oncebox-pgbench-test-'))
afterAll(() => rmSync(directory, { recursive: true }))

function program(...parts: readonly string[]): string {
  const folder = join(directory, ...parts)
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'pgbench')
  writeFileSync(file, '')
  chmodSync(file, 0o755)
  return file
}

describe('pgbench', () => {
  test('is taken from the path before Debian’s, and from the newest of those', () => {
    const debian = join(directory, 'debian')
    expect(findPgbench('', debian)).toBeNull()
    program('debian', '9', 'bin')
    const newest = program('debian', '15', 'bin')
    expect(findPgbench('/nowhere', debian)).toBe(newest)
    const own = program('own')
    expect(findPgbench(`/nowhere:${join(directory, 'own')}`, debian)).toBe(own)
  })

  test('tells the transactions and the rate without connecting, and no rate is an error', () => {
    const output =
      'number of transactions actually processed: 1234/2000\ntps = 411.5 (without initial connection time)\n'
    expect(parsePgbench(output)).toEqual({ transactions: 1234, perSecond: 411.5 })
    expect(() => parsePgbench('nothing')).toThrow('no rate')
  })

  test('runs the statement of the writer, with a variable for each value and NULL for those that are none', async () => {
    const { script, variables } = await pgbenchScript('pgbenchOutboxPipelined')
    expect(script).toMatch(
      /^BEGIN;\n.*orders.*;\n\\startpipeline\nINSERT INTO "oncebox"\.outbox .*NULL::jsonb.*;\nCOMMIT;\n/,
    )
    expect(Object.keys(variables)).toEqual(expect.arrayContaining(['customer', 'p1', 'p8']))
    expect(variables).not.toHaveProperty('p7')
    expect(withVariables('SELECT $1::bytea, $2::text', [Buffer.from('a'), null])).toEqual({
      script: 'SELECT :p1::bytea, NULL::text;',
      variables: { p1: '\\x61' },
    })
  })
})
