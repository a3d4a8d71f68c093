import { drawSoak, type Sample, whatGrew } from '@oncebox/proof'
import { expect, test } from 'vitest'

const flat: readonly Sample[] = Array.from({ length: 30 }, (_, at) => {
  return {
    at,
    memoryMb: 400 + (at % 3),
    connections: 12,
    leaves: 3,
    outboxMb: 4,
    diskMb: 20,
    waiting: 0,
    fault: at === 7 ? 'a cut' : null,
  }
})

test('what stays flat after a warm-up has not grown', () => {
  expect(whatGrew(flat)).toEqual([])
  expect(whatGrew(flat.map((sample) => ({ ...sample, memoryMb: 400 + Math.min(sample.at, 8) * 50 })))).toEqual([])
})

test('what goes on growing is named, with how much', () => {
  expect(whatGrew(flat.map((sample) => ({ ...sample, memoryMb: 400 + sample.at * 20 })))).toEqual([
    'memoryMb grew from 700.0 to 900.0',
  ])
  expect(whatGrew(flat.map((sample) => ({ ...sample, connections: sample.at })))).toHaveLength(1)
})

test('a picture has a curve for each measure and a bar for each look during a fault', () => {
  const svg = drawSoak(flat)
  expect(svg.match(/<polyline/g)).toHaveLength(5)
  expect(svg.match(/M[\d.]+ 0v550/g)).toHaveLength(1)
})

test('a picture of a long soak keeps the worst, and no more points than there are pixels', () => {
  const long = Array.from(
    { length: 1_800 },
    (_, at): Sample => ({ ...(flat[0] as Sample), at, waiting: at === 777 ? 500 : 0 }),
  )
  const svg = drawSoak(long)
  expect(svg.match(/<polyline points="([^"]*)"/)?.[1]?.split(' ')).toHaveLength(900)
  expect(svg).toContain('>500</text>')
})
