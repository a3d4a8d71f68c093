import { tables } from '@oncebox/schema'
import { expect, test } from 'vitest'
import { moveDue } from '../dist/scheduled.js'
import { bench } from './relayBench.js'
import { sideTrackOn } from './sideTrackBench.js'

test('what is due is moved in order, a batch of messages or bytes at a time: the lease waits for it', async () => {
  await using at = await bench()
  const sizes = [1_000, 1_000, 1_000, 5_000, 10, 10, 10]
  for (const [index, bytes] of sizes.entries()) {
    await at.query(
      `insert into oncebox.scheduled (due_at, id, source, topic, key, type, payload)
      values (now() - interval '1 hour' + $1 * interval '1 s', gen_random_uuid(), 's', 't', 'k' || $1, 'x', convert_to(repeat('x', $2), 'UTF8'))`,
      [index, bytes],
    )
  }
  await using side = await sideTrackOn(at)
  const moved: (number | null)[] = []
  for (let left = true; left; left = moved.at(-1) !== 0) {
    moved.push(await moveDue(side.session, tables(), side.lease, { messages: 2, bytes: 2_500 }))
  }
  expect(moved).toEqual([2, 1, 1, 2, 1, 0])
  const keys = await at.query('select key from oncebox.outbox order by position')
  expect(keys.map(({ key }) => key)).toEqual(sizes.map((_, index) => `k${index}`))
})
