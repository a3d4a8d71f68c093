import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type NodeProcess, spawnNode } from '@oncebox/testkit'
import { afterAll, describe, expect, test } from 'vitest'

const program = fileURLToPath(new URL('fixtures/asksForKafka.mjs', import.meta.url))
const emptyPath = mkdtempSync(join(tmpdir(), 'oncebox-path-'))
afterAll(() => rmSync(emptyPath, { recursive: true, force: true }))

/** A process on a machine without Java: nothing in its PATH but the shell that cleans up. */
function withoutJava(env: Record<string, string>): NodeProcess {
  const nothing = { CI: undefined, ONCEBOX_REQUIRE_KAFKA: undefined, KAFKA_BROKERS: undefined, JAVA_HOME: undefined }
  return spawnNode(program, [], { env: { ...nothing, ONCEBOX_TEST_SERVERS: undefined, PATH: emptyPath, ...env } })
}

async function outcome(program: NodeProcess): Promise<unknown> {
  await program.ended
  return JSON.parse(program.lines[0] ?? program.stderr)
}

describe('on a machine without Java', () => {
  test('Kafka suites are skipped, with the reason printed', async () => {
    const skipping = withoutJava({})
    expect(await outcome(skipping)).toMatchObject({ missing: expect.stringContaining('Java is not installed') })
    expect(skipping.stderr).toContain('Kafka tests are skipped: Java is not installed')
  })

  test.each([{ ONCEBOX_REQUIRE_KAFKA: '1' }, { CI: 'true' }])('%o makes them fail', async (env) => {
    const answer = await outcome(withoutJava(env))
    expect(answer).toEqual({ error: expect.stringContaining('Java is not installed') })
  })

  test('KAFKA_BROKERS names a broker to use', async () => {
    const answer = await outcome(withoutJava({ KAFKA_BROKERS: 'one:9092,two:9092', CI: 'true' }))
    expect(answer).toEqual({ brokers: ['one:9092', 'two:9092'] })
  })
})
