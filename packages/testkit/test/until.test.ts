import { until } from '@oncebox/testkit'
import { expect, test } from 'vitest'

test('until resolves with the first answer that is one, zero and the empty string included', async () => {
  const answers = [undefined, null, false, 0, 1]
  expect(await until(() => answers.shift(), { what: 'an answer' })).toBe(0)
  expect(await until(async () => '', { what: 'an answer' })).toBe('')
})

test('until names what it waited for, with the last error as cause', async () => {
  const cause = new Error('not yet')
  const never = until(() => Promise.reject(cause), { what: 'the moon', deadlineMs: 20 })
  await expect(never).rejects.toMatchObject({ message: 'waited 20 ms for the moon', cause })
})

test('until asks at least once, whatever the deadline', async () => {
  expect(await until(() => 'here', { what: 'an answer', deadlineMs: 0 })).toBe('here')
})
