import { type Account, isSound } from './account.js'

/** How far everything is, for the lines that are drawn again and again. */
export interface Progress {
  readonly seconds: number
  readonly messages: number
  readonly committed: number
  readonly rolledBack: number
  readonly published: number
  readonly lostAcks: number
  readonly delivered: number
  readonly booked: number
  readonly relayKills: number
  readonly consumerKills: number
}

/** Shows a run to whoever watches. */
export interface Screen {
  /** A step: stays on the screen. */
  tell(text: string): void
  /** The same for something that was done to a service. */
  fault(text: string): void
  /** The state of things: redrawn in place on a terminal, a line every few seconds elsewhere. */
  progress(progress: Progress): void
  account(account: Account): void
}

export interface ScreenOptions {
  readonly stream: { write(text: string): unknown; readonly isTTY?: boolean }
  /** Colours, on a terminal. */
  readonly color: boolean
}

const plainEveryMs = 2_000
const number = (value: number) => value.toLocaleString('en-US')

export function createScreen({ stream, color }: ScreenOptions): Screen {
  const terminal = stream.isTTY === true
  const paint = (code: number, text: string) => (terminal && color ? `\x1b[${code}m${text}\x1b[0m` : text)
  /** The lines that are redrawn in place, below everything that stays. */
  let drawn: readonly string[] = []
  let plainAt = Number.NEGATIVE_INFINITY
  let last: Progress | undefined

  /** One write, so that nothing flickers. */
  const redraw = (text: string, lines: readonly string[]) => {
    const erase = drawn.length > 0 ? `\x1b[${drawn.length}A\x1b[J` : ''
    stream.write(erase + text + lines.map((line) => `${line}\n`).join(''))
    drawn = lines
  }
  const tell = (text: string) => redraw(`${text}\n`, drawn)

  return {
    tell,
    fault(text) {
      tell(paint(33, text))
    },
    progress(now) {
      if (!terminal) {
        if (performance.now() - plainAt < plainEveryMs) return
        plainAt = performance.now()
        stream.write(`${plainLine(now)}\n`)
        return
      }
      redraw('', drawing(now, last, paint))
      last = now
    },
    account(account) {
      redraw(`\n${accountLines(account, paint).join('\n')}\n`, [])
    },
  }
}

function plainLine(now: Progress): string {
  return (
    `${now.seconds.toFixed(1).padStart(6)} s  ${number(now.committed)} committed, ${number(now.published)} published, ` +
    `${number(now.delivered)} delivered, ${number(now.booked)} booked`
  )
}

type Paint = (code: number, text: string) => string

function drawing(now: Progress, before: Progress | undefined, paint: Paint): string[] {
  const elapsed = now.seconds - (before?.seconds ?? 0)
  const line = (name: string, count: number, previous: number, what: string, rest: string) => {
    const share = Math.min(1, count / now.messages)
    const bar = paint(36, '█'.repeat(Math.round(share * 24))).concat('░'.repeat(24 - Math.round(share * 24)))
    const rate = elapsed > 0 ? Math.max(0, Math.round((count - previous) / elapsed)) : 0
    return `  ${name.padEnd(14)}${bar} ${number(count).padStart(8)} ${what.padEnd(10)}${`${number(rate)}/s`.padStart(9)}   ${rest}`
  }
  return [
    '',
    line('order service', now.committed, before?.committed ?? 0, 'committed', `${now.rolledBack} rolled back`),
    line(
      'relay',
      now.published,
      before?.published ?? 0,
      'published',
      `killed ${now.relayKills}×, ${now.lostAcks} acks lost`,
    ),
    line('billing', now.booked, before?.booked ?? 0, 'booked', `killed ${now.consumerKills}×`),
  ]
}

function accountLines(account: Account, paint: Paint): string[] {
  const row = (name: string, value: number, meaning: string) =>
    `  ${name.padEnd(20)}${number(value).padStart(9)}   ${meaning}`
  const zero = (name: string, value: number, meaning: string) =>
    `${row(name, value, '')}${value === 0 ? paint(32, '✓') : paint(31, '✗')} ${meaning}`
  const sound = isSound(account)
  const verdict = sound
    ? `All ${number(account.emitted)} orders were billed once, in order: nothing lost, nothing twice, nothing made up.`
    : 'The account does not balance: see the lines marked ✗.'
  return [
    row('emitted', account.emitted, 'orders that the producer committed'),
    row('published', account.published, 'records at the transport, counted there'),
    row('received', account.received, 'deliveries to the billing service'),
    row('applied', account.applied, 'orders in its ledger'),
    row('duplicates received', account.duplicatesReceived, 'deliveries that came again'),
    zero('duplicates applied', account.duplicatesApplied, 'effects that happened again'),
    zero('lost', account.lost, 'orders that were never billed'),
    zero('order violations', account.orderViolations, 'effects before an earlier one of their account'),
    zero('phantom', account.phantom, 'messages of transactions that rolled back'),
    row('relay kills', account.relayKills, 'SIGKILL, in the middle of its work'),
    row('consumer kills', account.consumerKills, 'SIGKILL, in the middle of its work'),
    '',
    `  ${paint(sound ? 32 : 31, verdict)}`,
    `  ${account.seconds.toFixed(1)} s. Computed from the business tables, the delivery log and the transport; no inbox was asked.`,
  ]
}
