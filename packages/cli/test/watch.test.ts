import type { FlowRates, Status } from '@oncebox/ops'
import { expect, test } from 'vitest'
import { openLiveScreen } from '../dist/command/liveScreen.js'
import { sparkline } from '../dist/verbs/sparkline.js'
import { drawWatch, type Look, watchLine } from '../dist/verbs/watchView.js'

const status = (waiting: number, change: Partial<Status> = {}): Status => ({
  schemaVersion: 10,
  lanes: [
    {
      lane: 0,
      holder: 'host 17',
      epoch: 1,
      waiting,
      waitingExact: true,
      oldestSeconds: waiting > 0 ? 1 : null,
      parked: 0,
    },
  ],
  leaves: [],
  consumers: [],
  paused: [],
  problems: [],
  ...change,
})
const rates = (written: number): FlowRates => ({ written, published: written / 2, handled: { billing: 3 }, effects: 4 })
const look = (second: number, waiting: number, written: number | null): Look => ({
  status: status(waiting),
  rates: written === null ? null : rates(written),
  atMs: Date.UTC(2026, 10, 25, 18, 2, second),
})

test('a sparkline shows the newest values, the highest as a full block, nothing as the lowest', () => {
  expect(sparkline([0, 1, 2, 4, 8], 5)).toBe('▁▂▃▅█')
  expect(sparkline([5, 5, 5], 5)).toBe('  ███')
  expect(sparkline([9, 1, 1], 2)).toBe('██')
  expect(sparkline([], 4)).toBe('    ')
  expect(sparkline([0, 0], 2)).toBe('▁▁')
  expect(sparkline([0.001, 1000], 2)).toBe('▂█')
})

test('the live screen has the rates with their charts, the lanes, and what status says', () => {
  const lines = drawWatch(
    { looks: [look(10, 4, null), look(12, 8, 100), look(14, 0, 200)], trouble: null },
    { columns: 60, rows: 40 },
  )
  expect(lines.slice(0, 8)).toEqual([
    'oncebox status --watch   18:02:14Z   Ctrl-C ends it',
    '',
    'written                               200/s              ▅█',
    'published                             100/s              ▅█',
    'handled                               4.0/s              ██',
    'handled by billing                    3.0/s              ██',
    'waiting in lane 0                         0             ▅█▁',
    '',
  ])
  expect(lines).toContain('No problems.')
})

test('no line is longer than the terminal, none moves the cursor, and what does not fit is cut', () => {
  const hostile = look(14, 1, 1)
  const evil = {
    ...hostile,
    status: status(1, { problems: [{ code: 'NO_RELAY', what: 'x\u001b[2J\ny', next: 'z'.repeat(200) }] }),
  }
  const lines = drawWatch({ looks: [evil], trouble: 'gone\u001b[H' }, { columns: 40, rows: 12 })
  expect(lines).toHaveLength(12)
  expect(lines.at(-1)).toBe('…')
  for (const line of lines) expect([...line].length).toBeLessThanOrEqual(40)
  expect(lines.join('')).not.toContain('\u001b')
  expect(lines[1]).toContain('NO ANSWER since then: gone')
  expect(drawWatch({ looks: [], trouble: null }, { columns: 40, rows: 12 })).toEqual([])
})

test('where there is no terminal, a look is a line', () => {
  expect(watchLine(look(14, 8, 100))).toBe(
    '18:02:14Z  lane 0 host 17: 8 waiting, 0 parked  100/s written, 50/s published, 4.0/s handled  billing 3.0/s  no problems',
  )
  expect(
    watchLine({ ...look(14, 8, null), status: status(8, { problems: [{ code: 'PAUSED', what: '', next: '' }] }) }),
  ).toBe('18:02:14Z  lane 0 host 17: 8 waiting, 0 parked  PAUSED')
})

test('the terminal is drawn in place and given back as it was, once', () => {
  const written: string[] = []
  const listening = process.listenerCount('exit')
  const screen = openLiveScreen({ write: (text) => written.push(text), columns: 33, rows: 7 })
  expect(screen.size).toEqual({ columns: 33, rows: 7 })
  screen.draw(['one', 'two'])
  screen.close()
  screen.close()
  screen.draw(['never'])
  expect(written).toEqual(['\x1b[?1049h\x1b[?25l', '\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J', '\x1b[?25h\x1b[?1049l'])
  expect(process.listenerCount('exit')).toBe(listening)
})
