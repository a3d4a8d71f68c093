import { describe, expect, test } from 'vitest'
import { createScreen, type Progress } from '../../dist/demo/screen.js'

const progress = (published: number): Progress => ({
  seconds: 1,
  messages: 100,
  committed: 100,
  rolledBack: 2,
  published,
  lostAcks: 0,
  delivered: published,
  booked: published,
  relayKills: 1,
  consumerKills: 0,
})

function written(isTTY: boolean, color = true) {
  const writes: string[] = []
  const screen = createScreen({ stream: { isTTY, write: (text) => writes.push(text) }, color })
  return { screen, writes }
}

describe('on a terminal', () => {
  test('what is said stays above the lines that are redrawn, in one write each', () => {
    const { screen, writes } = written(true, false)
    screen.tell('it begins')
    screen.progress(progress(50))
    screen.fault('the relay is killed')
    screen.progress(progress(100))
    const block = writes[1]
    expect(writes).toHaveLength(4)
    expect(block?.split('\n')).toHaveLength(5)
    expect(writes[2]).toBe(`\x1b[4A\x1b[Jthe relay is killed\n${block}`)
    expect(writes[3]?.startsWith('\x1b[4A\x1b[J\n  order service')).toBe(true)
  })

  test('faults have a colour, unless colours are not wanted', () => {
    const coloured = written(true)
    coloured.screen.fault('killed')
    expect(coloured.writes).toEqual(['\x1b[33mkilled\x1b[0m\n'])
    const plain = written(true, false)
    plain.screen.fault('killed')
    expect(plain.writes).toEqual(['killed\n'])
  })
})

test('elsewhere there are lines only, without colours', () => {
  const { screen, writes } = written(false)
  screen.progress(progress(50))
  screen.fault('killed')
  expect(writes).toEqual(['   1.0 s  100 committed, 50 published, 50 delivered, 50 booked\n', 'killed\n'])
})
