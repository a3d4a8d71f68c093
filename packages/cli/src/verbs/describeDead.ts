import type { DeadLetterDetails, DeadLetterSummary } from '@oncebox/ops'
import { printable } from '../command/printable.js'
import { textTable } from '../command/textTable.js'

const headings = ['number', 'group', 'topic', 'type', 'reason', 'attempts', 'dead since', 'state', 'message']
const payloadShown = 2_000

export function describeDeadLetters(letters: readonly DeadLetterSummary[], limit: number): string {
  if (letters.length === 0) return 'No dead letters.'
  const rows = letters.map((letter) => [
    letter.number,
    letter.group,
    letter.topic,
    letter.type,
    letter.reason,
    String(letter.attempts),
    letter.deadAt,
    stateOf(letter),
    letter.messageId,
  ])
  const table = textTable(headings, rows, ['number', 'attempts'])
  return letters.length < limit ? table : `${table}\n\nThe first ${limit}; there may be more (--limit).`
}

function stateOf({ retrying, parks }: DeadLetterSummary): string {
  return `${retrying ? 'retrying' : 'dead'}${parks ? ', key waits' : ''}`
}

/** The whole letter for whoever asked, what it carries included. */
export function describeDeadLetter(letter: DeadLetterDetails): string {
  const { error, history, actions } = letter
  const facts: readonly (readonly [string, string | null])[] = [
    ['number', letter.number],
    ['group', letter.group],
    ['message', letter.messageId],
    ['source', letter.source],
    ['type', letter.type],
    ['place', `${letter.topic}/${letter.partition}${letter.offset === null ? '' : `/${letter.offset}`}`],
    ['record time', letter.recordTime],
    ['state', stateOf(letter)],
    ['waiting behind', letter.parks ? String(letter.waiting) : null],
    ['reason', letter.reason],
    ['attempts', String(letter.attempts)],
    ['first failed', letter.firstFailedAt],
    ['dead since', letter.deadAt],
    ['key', textOf(letter.key)],
    ['content type', letter.contentType],
  ]
  const blocks = [
    facts.flatMap(([name, value]) => (value === null ? [] : [`${name.padEnd(15)} ${printable(value)}`])),
    letter.headers.map(([name, value]) => `header ${printable(name)}: ${printable(textOf(value) ?? 'null')}`),
    [`payload ${printable((textOf(letter.payload) ?? 'none').slice(0, payloadShown))}`],
    error === null ? [] : (error.stack ?? `${error.name}: ${error.message}`).split('\n').map(printable),
    history.map(({ at, name, code }) => `failed ${at}  ${printable([name, code].filter(Boolean).join(' '))}`),
    actions.map(
      ({ at, action, by, why }) => `${action} ${at}  ${printable(by)}${why === null ? '' : `: ${printable(why)}`}`,
    ),
  ]
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** Base64 as text, or as it is where it is no UTF-8. */
function textOf(base64: string | null): string | null {
  if (base64 === null) return null
  const bytes = Buffer.from(base64, 'base64')
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : `base64 ${base64}`
}
