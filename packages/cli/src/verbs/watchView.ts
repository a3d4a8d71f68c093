import type { FlowRates, Status } from '@oncebox/ops'
import { printable } from '../command/printable.js'
import { describeStatus } from './describeStatus.js'
import { sparkline } from './sparkline.js'

/** One look at the system. */
export interface Look {
  readonly status: Status
  /** Messages a second since the look before; null at the first one. */
  readonly rates: FlowRates | null
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number
}

/** What is on the screen: the looks so far, the newest last, and why there is none just now. */
export interface WatchView {
  readonly looks: readonly Look[]
  readonly trouble: string | null
}

/** So many looks are kept: the widest chart. */
export const mostLooks = 60
const narrowest = 8
const labelWidth = 46

/**
 * The screen as lines, cut to the terminal's size: rates with their charts, then what `oncebox status` says. Pure; no line is
 * longer than `columns`, none moves the cursor.
 */
export function drawWatch(
  { looks, trouble }: WatchView,
  size: { readonly columns: number; readonly rows: number },
): string[] {
  const newest = looks.at(-1)
  if (newest === undefined) return []
  const width = Math.max(narrowest, Math.min(mostLooks, size.columns - labelWidth))
  const chart = (name: string, now: string, values: readonly number[]) =>
    `${printable(name).slice(0, 28).padEnd(28)} ${now.padStart(14)}  ${sparkline(values, width)}`
  const rated = looks.flatMap(({ rates }) => (rates === null ? [] : [rates]))
  const rate = (name: string, of: (rates: FlowRates) => number) => {
    const last = rated.at(-1)
    return chart(name, last === undefined ? '' : `${rounded(of(last))}/s`, rated.map(of))
  }
  const groups = Object.keys(newest.rates?.handled ?? {}).sort()
  const lines = [
    `oncebox status --watch   ${timeOf(newest.atMs)}   Ctrl-C ends it`,
    ...(trouble === null ? [] : [`NO ANSWER since then: ${printable(trouble)}`]),
    '',
    rate('written', ({ written }) => written),
    rate('published', ({ published }) => published),
    rate('handled', ({ effects }) => effects ?? 0),
    ...groups.map((group) => rate(`handled by ${group}`, ({ handled }) => handled[group] ?? 0)),
    ...newest.status.lanes.map(({ lane, waiting, waitingExact }) =>
      chart(
        `waiting in lane ${lane}`,
        `${waitingExact ? '' : '~'}${waiting}`,
        looks.map(({ status }) => status.lanes.find((each) => each.lane === lane)?.waiting ?? 0),
      ),
    ),
    '',
    ...describeStatus(newest.status).split('\n'),
  ]
  const cut = lines.length > size.rows ? [...lines.slice(0, size.rows - 1), '…'] : lines
  return cut.map((line) => [...line].slice(0, size.columns).join(''))
}

/** The same in one line, for where nothing can be redrawn. Pure. */
export function watchLine({ status, rates, atMs }: Look): string {
  const lanes = status.lanes.map(
    ({ lane, holder, waiting, waitingExact, parked }) =>
      `lane ${lane} ${holder ?? '(no relay)'}: ${waitingExact ? '' : '~'}${waiting} waiting, ${parked} parked`,
  )
  const flow =
    rates === null
      ? []
      : [
          `${rounded(rates.written)}/s written, ${rounded(rates.published)}/s published, ${rounded(rates.effects ?? 0)}/s handled`,
          ...Object.entries(rates.handled).map(([group, handled]) => `${group} ${rounded(handled)}/s`),
        ]
  const codes = [...new Set(status.problems.map(({ code }) => code))]
  return printable([timeOf(atMs), ...lanes, ...flow, codes.length === 0 ? 'no problems' : codes.join(' ')].join('  '))
}

function rounded(rate: number): string {
  return rate >= 10 || rate === 0 ? String(Math.round(rate)) : rate.toFixed(1)
}

/** `18:02:11` in UTC, as the log has it. */
function timeOf(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(11, 19)}Z`
}
