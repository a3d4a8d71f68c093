/** Longest run, and longest pause, that a viewer sits through, in seconds. */
const runS = 15
const pauseS = 1.5
/** The last picture, the account, stays for so long. */
const holdS = 7
/** Shortest time between two changes that only redraw numbers. */
const redrawS = 0.25

/**
 * When each line is seen: a recording played so much faster that it takes no more than 15 s, long pauses cut, then the
 * account for a while. Pure.
 *
 * @param frames `{ at, lines }` as framesOf gives them
 * @returns speed (a multiple of a half), whether a second or more of pauses was cut, seconds of one round, and spans `{ line, text, from, to }`: `line` counts from the
 *   beginning of the transcript, `from` and `to` in seconds of the film; with `counts`, how many lines there are from when on
 */
export function filmOf(frames) {
  const { cut, saved } = withoutPauses(frames)
  const took = cut.at(-1).at
  const speed = Math.max(1, Math.ceil((took / runS) * 2) / 2)
  const shown = thinned(cut.map(({ at, lines }) => ({ at: at / speed, lines })))
  const seconds = shown.at(-1).at + holdS
  const counts = shown.map(({ at, lines }) => [at, lines.length])
  return { speed, cut: saved >= 1, seconds, spans: spansOf(shown, seconds), counts }
}

function withoutPauses(frames) {
  let saved = 0
  const cut = frames.map(({ at, lines }, index) => {
    const pause = index === 0 ? 0 : at - frames[index - 1].at
    saved += Math.max(0, pause - pauseS)
    return { at: at - frames[0].at - saved, lines }
  })
  return { cut, saved }
}

/** Of changes that come quickly one after the other the last, unless there are more lines than before. */
function thinned(frames) {
  const kept = []
  for (const frame of frames) {
    const before = kept.at(-1)
    const redrawn = before !== undefined && before.lines.length === frame.lines.length
    if (redrawn && frame.at - before.at < redrawS) kept[kept.length - 1] = { ...frame, at: before.at }
    else kept.push(frame)
  }
  return kept
}

function spansOf(frames, seconds) {
  const spans = []
  const open = new Map()
  const end = (line, to) => {
    const span = open.get(line)
    if (span !== undefined && span.text.trim() !== '') spans.push({ ...span, to })
    open.delete(line)
  }
  for (const { at, lines } of frames) {
    for (const line of [...open.keys()]) if (line >= lines.length) end(line, at)
    for (const [line, text] of lines.entries()) {
      if (open.get(line)?.text === text) continue
      end(line, at)
      open.set(line, { line, text, from: at })
    }
  }
  for (const line of [...open.keys()]) end(line, seconds)
  return spans
}
