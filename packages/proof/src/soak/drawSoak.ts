import type { Sample } from './sample.js'

const width = 900
const height = 110
const left = 60

const charts = [
  { measure: 'memoryMb', title: 'memory of relays and consumers, MB' },
  { measure: 'connections', title: 'database sessions' },
  { measure: 'leaves', title: 'outbox leaves with rows' },
  { measure: 'outboxMb', title: 'outbox, MB' },
  { measure: 'waiting', title: 'orders not booked yet' },
] as const

/** A soak as an SVG: a curve a measure over time, and a bar where a fault was on. Pure. */
export function drawSoak(all: readonly Sample[]): string {
  const samples = worstOfEach(all, Math.ceil(all.length / width))
  const last = samples.at(-1)?.at ?? 1
  const x = (at: number): number => left + (at / last) * (width - left - 10)
  const step = (width - left - 10) / Math.max(samples.length, 1)
  const bars = samples
    .filter(({ fault }) => fault !== null)
    .map(({ at }) => `M${(x(at) + step / 2).toFixed(1)} 0v${charts.length * height}`)
  const curves = charts.map(({ measure, title }, index) => {
    const top = index * height
    const most = Math.max(...samples.map((sample) => sample[measure]), 1)
    const y = (value: number): number => top + height - 14 - (value / most) * (height - 40)
    const points = samples.map((sample) => `${x(sample.at).toFixed(1)},${y(sample[measure]).toFixed(0)}`)
    return `<text x="${left}" y="${top + 16}">${title}</text>
  <text x="${left - 6}" y="${top + 30}" text-anchor="end">${Math.round(most)}</text>
  <text x="${left - 6}" y="${top + height - 12}" text-anchor="end">0</text>
  <polyline points="${points.join(' ')}"/>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${charts.length * height + 20}" font-family="sans-serif" font-size="12">
  <title>A soak, over time: what was measured, and when a fault was on</title>
  <rect width="100%" height="100%" fill="#fff"/>
  <path stroke="#f5c6c6" stroke-width="${step.toFixed(1)}" d="${bars.join('')}"/>
  <g fill="none" stroke="#1f5f8b" stroke-width="1.5"><style>text { fill: #333; stroke: none }</style>
  ${curves.join('\n  ')}
  </g>
  <text x="${left}" y="${charts.length * height + 14}" fill="#333">0 to ${Math.round(last)} seconds; red: a fault was on</text>
</svg>
`
}

/** Of so many samples, one behind the other, the one in which most was on its way: more than a pixel each are not to be seen. */
function worstOfEach(samples: readonly Sample[], count: number): Sample[] {
  if (count <= 1) return [...samples]
  return Array.from({ length: Math.ceil(samples.length / count) }, (_, index) =>
    samples
      .slice(index * count, (index + 1) * count)
      .reduce((worst, each) => (each.waiting > worst.waiting ? each : worst)),
  )
}
