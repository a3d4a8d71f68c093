import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Annotation } from '../../src/picture.js'
import type { Point } from '../live.ts'
import { moment, rate } from '../words.ts'

const height = 220
const secondsApart = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400]

/** Messages a second, written, published and handled, while the page is open; a line where something is annotated. */
export function Chart({ points, annotations }: { points: readonly Point[]; annotations: readonly Annotation[] }) {
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot | null>(null)
  const marks = useRef(annotations)
  marks.current = annotations

  useEffect(() => {
    const element = place.current as HTMLDivElement
    const made = new uPlot(optionsFor(element.clientWidth, marks), dataOf([]), element)
    chart.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
    }
  }, [])
  useEffect(() => chart.current?.setData(dataOf(points)), [points])

  const last = points.at(-1)
  const words =
    last === undefined
      ? 'No rates yet'
      : `Now ${rate(last.written)} written, ${rate(last.published)} published, ${last.handled === null ? 'an unknown number' : rate(last.handled)} handled`
  return <div class="chart" ref={place} role="img" aria-label={words} />
}

function dataOf(points: readonly Point[]): uPlot.AlignedData {
  return [
    points.map(({ at }) => at),
    points.map(({ written }) => written),
    points.map(({ published }) => published),
    points.map(({ handled }) => handled),
  ]
}

function optionsFor(width: number, marks: { readonly current: readonly Annotation[] }): uPlot.Options {
  // Canvases know no style sheet: colours are asked of the page, once.
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string) => style.getPropertyValue(name).trim()
  const axis = { stroke: colour('--text-soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } }
  const line = (label: string, stroke: string) => ({ label, stroke: colour(stroke), width: 2, points: { show: false } })
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false },
    scales: { y: { range: (_, __, maximum) => [0, Math.max(10, maximum * 1.15)] } },
    axes: [
      // As the times on the pages are, and no closer than seconds.
      {
        ...axis,
        size: 34,
        space: 90,
        incrs: secondsApart,
        values: (_, values) => values.map((at) => moment(new Date(at * 1000).toISOString())),
      },
      { ...axis, size: 62, values: (_, values) => values.map(rate) },
    ],
    series: [{}, line('written', '--series-1'), line('published', '--series-2'), line('handled', '--series-3')],
    hooks: { draw: [(chart) => drawMarks(chart, marks.current, colour('--wait'))] },
  }
}

function drawMarks({ ctx, bbox, scales, valToPos }: uPlot, marks: readonly Annotation[], colour: string): void {
  const [from, to] = [scales.x?.min ?? 0, scales.x?.max ?? 0]
  ctx.save()
  ctx.strokeStyle = colour
  ctx.setLineDash([4, 4])
  ctx.beginPath()
  for (const { atMs } of marks) {
    const at = atMs / 1000
    if (at < from || at > to) continue
    const x = Math.round(valToPos(at, 'x', true))
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
  }
  ctx.stroke()
  ctx.restore()
}
