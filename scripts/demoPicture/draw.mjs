import { colour } from './terminal.mjs'

const rows = 20
const rowPx = 19
const columnPx = 7.8
const left = 18
const top = 42
const width = 2 * left + Math.ceil(101 * columnPx)
const height = top + rows * rowPx + 18

const colours = { 31: 'bad', 32: 'good', 33: 'fault', 36: 'bar' }

const style = `
    .page { fill: #ffffff } .window { fill: #f6f8fa; stroke: #d0d7de } .dots { fill: #d0d7de } .rest { fill: #d8dee4 }
    text { fill: #1f2328; white-space: pre } .note { fill: #57606a }
    .bar { fill: #0969da } .good { fill: #1a7f37 } .bad { fill: #cf222e } .fault { fill: #bc4c00 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117 } .window { fill: #161b22; stroke: #30363d } .dots { fill: #30363d } .rest { fill: #30363d }
      text { fill: #e6edf3 } .note { fill: #9198a1 }
      .bar { fill: #58a6ff } .good { fill: #3fb950 } .bad { fill: #f85149 } .fault { fill: #f0883e }
    }`

/**
 * A terminal that plays a film, as an SVG that loops by CSS alone. Where motion is not wanted it stands at its end. Pure.
 *
 * @param film as filmOf gives it
 * @param words `{ title, description, command, note }`: what it is, for those who do not see it, and what stands in the bar
 */
export function drawFilm({ seconds, spans, counts }, words) {
  return draw(spans, counts, words, new Animations(seconds))
}

/** The end of the film alone, which does not move: browsers do not tell a picture that motion is not wanted. Pure. */
export function drawEnd({ seconds, spans, counts }, words) {
  const last = spans.filter(({ to }) => to >= seconds).map((span) => ({ ...span, from: 0 }))
  return draw(last, [[0, counts.at(-1)[1]]], words, new Animations(seconds))
}

function draw(spans, counts, { title, description, command, note }, animation) {
  const groups = Map.groupBy(spans, ({ from, to }) => `${from} ${to}`)
  const drawn = [...groups.values()].map((group) => {
    const [{ from, to }] = group
    const lines = group.map(({ line, text }) => lineOf(line, text)).join('')
    return `<g${animation.shownBetween(from, to)}>${lines}</g>`
  })
  const scroll = animation.movedUp(counts.map(([at, lines]) => [at, Math.max(0, lines - rows) * rowPx]))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title description" font-family="ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">
  <title id="title">${escaped(title)}</title>
  <desc id="description">${escaped(description)}</desc>
  <style>${style}
    ${animation.css()}
  </style>
  <defs><clipPath id="screen"><rect x="0" y="${top - 7}" width="${width}" height="${rows * rowPx + 14}"/></clipPath></defs>
  <rect class="page" width="${width}" height="${height}" rx="8"/>
  <rect class="window" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
  <g class="dots"><circle cx="20" cy="17" r="5"/><circle cx="37" cy="17" r="5"/><circle cx="54" cy="17" r="5"/></g>
  <text class="note" x="78" y="21">${escaped(command)}</text>
  <text class="note" x="${width - left}" y="21" text-anchor="end">${escaped(note)}</text>
  <g clip-path="url(#screen)"><g${scroll}>
${drawn.join('\n')}
  </g></g>
</svg>
`
}

/** The rules by which groups come, go and move; each group gets a class. */
class Animations {
  #rules = []
  #seconds

  constructor(seconds) {
    this.#seconds = seconds
  }

  /** Seen from then to then; in a still picture, if that is the end. */
  shownBetween(from, to) {
    const last = to >= this.#seconds
    if (from === 0 && last) return ''
    const steps = [from === 0 ? '' : '0%{visibility:hidden}', `${this.#share(from)}{visibility:visible}`]
    if (!last) steps.push(`${this.#share(to)}{visibility:hidden}`)
    return this.#add(steps.join(''), `visibility:${last ? 'visible' : 'hidden'}`)
  }

  /** `[at, pixels]`, in order. */
  movedUp(moves) {
    const changes = moves.filter(([, pixels], index) => index === 0 || pixels !== moves[index - 1][1])
    if (changes.length === 1) return ` transform="translate(0 -${changes[0][1]})"`
    const steps = changes.map(([at, pixels]) => `${this.#share(at)}{transform:translateY(-${pixels}px)}`)
    return this.#add(steps.join(''), `transform:translateY(-${changes.at(-1)[1]}px)`)
  }

  css() {
    if (this.#rules.length === 0) return ''
    const motion = `g { animation: ${this.#seconds.toFixed(1)}s step-end infinite }`
    return [`@media (prefers-reduced-motion: no-preference) { ${motion} }`, ...this.#rules].join('\n    ')
  }

  /** `still` is how it looks where nothing moves. */
  #add(steps, still) {
    const name = `s${this.#rules.length}`
    this.#rules.push(`.${name}{${still};animation-name:${name}}@keyframes ${name}{${steps}}`)
    return ` class="${name}"`
  }

  #share(at) {
    return `${Number(((at / this.#seconds) * 100).toFixed(2))}%`
  }
}

/** A line of the transcript: text where it stands on the terminal, bars of blocks as rectangles. */
function lineOf(line, text) {
  const y = top + line * rowPx
  const bars = []
  const texts = []
  for (const { column, run, kind } of runsOf(text)) {
    const x = tenths(left + column * columnPx)
    const painted = kind === undefined ? '' : ` class="${kind}"`
    if (/^[█░]/.test(run)) {
      const of = run[0] === '█' ? painted : ' class="rest"'
      bars.push(`<rect${of} x="${x}" y="${y - 3}" width="${tenths(run.length * columnPx)}" height="11"/>`)
    } else texts.push(`<tspan x="${x}"${painted}>${escaped(run)}</tspan>`)
  }
  return `${bars.join('')}${texts.length === 0 ? '' : `<text y="${y + 7}">${texts.join('')}</text>`}`
}

/** What stands together in one colour, with its column. Two spaces begin another run: columns hold in every font. */
function runsOf(text) {
  const runs = []
  let column = 0
  // Every other part is the number of a colour.
  const parts = text.split(new RegExp(colour.source))
  for (let index = 0; index < parts.length; index += 2) {
    const [part, kind] = [parts[index], colours[parts[index - 1]]]
    for (const [run] of part.matchAll(/█+|░+| {2,}|(?:(?! {2})[^█░])+/g)) {
      if (run.trim() !== '') runs.push({ column, run, kind })
      column += run.length
    }
  }
  return runs
}

function tenths(pixels) {
  return Number(pixels.toFixed(1))
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
