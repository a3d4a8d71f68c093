import { takeClient } from '@oncebox/core'
import { expect, test } from 'vitest'

interface Client {
  release(destroy: boolean): void
}

test('a connection that comes too late is closed', async () => {
  const given = Promise.withResolvers<Client>()
  const released: boolean[] = []
  const pool = { connect: () => given.promise }
  await expect(takeClient(pool, 10)).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' })
  given.resolve({ release: (destroy) => void released.push(destroy) })
  await given.promise
  expect(released).toEqual([true])
})
