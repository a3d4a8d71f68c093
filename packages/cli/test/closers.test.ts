import { expect, test } from 'vitest'
import { Closers } from '../src/command/closers.js'

test('what was opened is closed at the end, the last first, also past a failure, which is told', async () => {
  const closed: string[] = []
  const work = async (): Promise<void> => {
    await using closers = new Closers()
    closers.defer(async () => closed.push('first'))
    closers.defer(() => {
      closed.push('second')
      throw new Error('would not close')
    })
    closers.defer(() => closed.push('third'))
  }
  await expect(work()).rejects.toThrow('would not close')
  expect(closed).toEqual(['third', 'second', 'first'])
})

test('what was handed on is closed by whom it was handed to', async () => {
  const closed: string[] = []
  const open = async (): Promise<Closers> => {
    await using closers = new Closers()
    closers.defer(() => closed.push('it'))
    return closers.move()
  }
  const kept = await open()
  expect(closed).toEqual([])
  await kept[Symbol.asyncDispose]()
  expect(closed).toEqual(['it'])
})
