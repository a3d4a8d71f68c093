import { expect, test } from 'vitest'
import { inbox } from '../dist/inbox.js'
import { inboxArms } from '../dist/inboxArms.js'
import { findPgbench } from '../dist/pgbench.js'
import { pgbenchArms } from '../dist/pgbenchScripts.js'
import { scaleShapes } from '../dist/scale.js'
import { write } from '../dist/write.js'
import { writeArms } from '../dist/writeArms.js'

const progress = () => undefined

test('write: every way of writing gives transactions and WAL, and a message adds to the WAL', async () => {
  const { samples, failures, skipped } = await write({ seconds: 0.2, rounds: 1, progress })
  expect(failures).toEqual([])
  const served = findPgbench(process.env.PATH) === null ? {} : pgbenchArms
  expect(Object.keys(samples)).toEqual(Object.keys({ ...writeArms, ...served }))
  expect(Object.keys(skipped)).toEqual(Object.keys(pgbenchArms).filter((arm) => !(arm in samples)))
  const wal = (arm: string) => samples[arm]?.[0]?.walBytesPerTransaction ?? Number.NaN
  for (const arm of ['outbox', 'outboxPipelined']) expect(wal(arm)).toBeGreaterThan(wal('businessOnly') + 200)
  if (served === pgbenchArms) {
    expect(wal('pgbenchOutboxPipelined')).toBeGreaterThan(wal('pgbenchBusiness') + 200)
  }
  // Together they share what a transaction costs; more than a payload each would mean that events were not counted.
  expect(samples.emitMany1000?.[0]?.walBytesPerEvent).toBeLessThan(wal('outbox'))
}, 180_000)

test('inbox: every way gives each message its effect once', async () => {
  const { samples, failures } = await inbox({ messages: 250, remembered: 10, rounds: 1, progress })
  expect(failures).toEqual([])
  expect(Object.keys(samples)).toEqual(Object.keys(inboxArms))
}, 180_000)

test('scale: the backlogs differ from the base in one thing each', () => {
  const { base, ...others } = scaleShapes({ messages: 1_000, large: 5_000, huge: 0 })
  expect(base).toEqual({ waiting: 1_000 })
  expect(others.keys1).toEqual({ waiting: 1_000, keys: 1 })
  expect(others).not.toHaveProperty('waitingHuge')
  expect(scaleShapes({ messages: 1_000, large: 5_000, huge: 9_000 }).waitingHuge).toEqual({ waiting: 9_000 })
})
