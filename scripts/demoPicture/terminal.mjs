const control = '\u001b'

/** A colour begins (its number is the group), or ends (0). */
export const colour = new RegExp(`${control}\\[(\\d+)m`, 'g')

/** What the demo's screen writes: text, lines, colours, going up, erasing below. */
const token = new RegExp(`${control}\\[(\\d*)([A-Za-z])|\\n|[^${control}\\n]+`, 'g')

/**
 * The contents of a terminal after each write, as lines of text in which colours are still marked (`\x1b[36m…\x1b[0m`). Pure.
 *
 * @param writes `{ at, text }`, `at` in seconds since the beginning
 * @returns `{ at, lines }`, in order
 */
export function framesOf(writes) {
  const frames = []
  let lines = ['']
  for (const { at, text } of writes) {
    lines = written(lines, text)
    frames.push({ at, lines: lines.slice(0, -1) })
  }
  return frames
}

/** The cursor stands at the end of the last line, or, having gone up, before an erase of everything from its line on. */
function written(before, text) {
  const lines = [...before]
  let row = lines.length - 1
  for (const [whole, count, command] of text.matchAll(token)) {
    if (whole === '\n') {
      row++
      if (row === lines.length) lines.push('')
    } else if (command === undefined || command === 'm') lines[row] += whole
    else if (command === 'A') row -= Number(count || 1)
    else if (command === 'J') lines.splice(row, lines.length, '')
    else throw new Error(`the demo's screen writes ${JSON.stringify(whole)}, which its picture does not know`)
  }
  return lines
}
