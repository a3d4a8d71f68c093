import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { root } from './workspace.js'

interface Frame {
  readonly at: number
  readonly lines: readonly string[]
}
interface Film {
  readonly speed: number
  readonly cut: boolean
  readonly seconds: number
  readonly spans: readonly { line: number; text: string; from: number; to: number }[]
  readonly counts: readonly (readonly [number, number])[]
}
type Draw = (film: Film, words: Record<'title' | 'description' | 'command' | 'note', string>) => string

const load = (name: string) => import(pathToFileURL(join(root, 'scripts/demoPicture', name)).href)
const { framesOf } = (await load('terminal.mjs')) as {
  framesOf: (writes: readonly { at: number; text: string }[]) => Frame[]
}
const { filmOf } = (await load('film.mjs')) as { filmOf: (frames: readonly Frame[]) => Film }
const { drawFilm, drawEnd } = (await load('draw.mjs')) as { drawFilm: Draw; drawEnd: Draw }
const words = { title: 'title', description: 'a < b', command: 'npm run demo', note: 'recorded' }

describe('the terminal', () => {
  test('goes up, erases below, and keeps what stood above', () => {
    const frames = framesOf([
      { at: 0, text: 'begin\n' },
      { at: 1, text: 'one\ntwo\n' },
      { at: 2, text: '\x1b[2A\x1b[Jstays\n\x1b[36m██\x1b[0m 3\n' },
    ])
    expect(frames.map(({ lines }) => lines)).toEqual([
      ['begin'],
      ['begin', 'one', 'two'],
      ['begin', 'stays', '\x1b[36m██\x1b[0m 3'],
    ])
  })

  test('refuses what it does not know, instead of leaving it out', () => {
    expect(() => framesOf([{ at: 0, text: '\x1b[2K' }])).toThrow(/does not know/)
  })
})

describe('the film', () => {
  test('shows each line from when it was written until it was replaced, and the last ones to its end', () => {
    const film = filmOf([
      { at: 0, lines: ['begin'] },
      { at: 1, lines: ['begin', 'one'] },
      { at: 2, lines: ['begin', 'two'] },
    ])
    expect(film).toMatchObject({ speed: 1, cut: false, seconds: 9 })
    expect(film.spans).toEqual([
      { line: 1, text: 'one', from: 1, to: 2 },
      { line: 0, text: 'begin', from: 0, to: 9 },
      { line: 1, text: 'two', from: 2, to: 9 },
    ])
  })

  test('plays a long recording faster, cuts pauses, and says both', () => {
    const frames = Array.from({ length: 61 }, (_, second) => ({ at: second, lines: [`${second}`] }))
    expect(filmOf(frames)).toMatchObject({ speed: 4, cut: false, seconds: 22 })
    const paused = [...frames.slice(0, 5), { at: 30, lines: ['30'] }]
    expect(filmOf(paused)).toMatchObject({ speed: 1, cut: true, seconds: 12.5 })
  })

  test('drops redraws that nobody could read, and no line', () => {
    const frames = Array.from({ length: 100 }, (_, n) => ({
      at: n / 100,
      lines: n < 50 ? [`${n}`] : ['fault', `${n}`],
    }))
    const film = filmOf(frames)
    expect(film.spans.length).toBeLessThan(12)
    expect(film.spans.filter(({ text }) => text === 'fault')).toHaveLength(1)
  })
})

describe('the picture', () => {
  const lines = Array.from({ length: 30 }, (_, n) => `line ${n}  x & y`)
  const film = filmOf([
    { at: 0, lines: ['  \x1b[36m███\x1b[0m░░  50'] },
    { at: 1, lines },
  ])

  test('has bars as rectangles, texts in their columns, and what XML wants escaped', () => {
    const svg = drawFilm(film, words)
    expect(svg).toContain('<rect class="bar" x="33.6" y="39" width="23.4" height="11"/>')
    expect(svg).toContain('<rect class="rest" x="57" y="39" width="15.6" height="11"/>')
    expect(svg).toContain('<tspan x="88.2">50</tspan>')
    expect(svg).toContain('x &amp; y')
    expect(svg).toContain('a &lt; b')
  })

  test('moves up when the lines are more than its rows, and ends there where motion is not wanted', () => {
    expect(drawFilm(film, words)).toMatch(/transform:translateY\(-190px\);animation-name/)
    const end = drawEnd(film, words)
    expect(end).toContain('transform="translate(0 -190)"')
    expect(end).not.toMatch(/keyframes|>50</)
  })

  test('of the demo is of a run whose account balanced', () => {
    for (const name of ['demo.svg', 'demo-still.svg']) {
      const svg = readFileSync(join(root, 'docs', name), 'utf8')
      expect(svg).toMatch(/class="good">All [\d,]+ orders were billed once, in order/)
      expect(svg).not.toContain('✗')
    }
  })
})
