import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Point } from '../live.ts'
import { rate } from '../words.ts'

const height = 220

/** Messages a second, written, published and handled, while the page is open. */
export function Chart({ points }: { points: readonly Point[] }) {
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot | null>(null)

  useEffect(() => {
    const element = place.current as HTMLDivElement
    const made = new uPlot(optionsFor(element.clientWidth), dataOf([]), element)
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
      : `Now ${rate(last.written)} written, ${rate(last.published)} published, ${rate(last.handled)} handled`
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

function optionsFor(width: number): uPlot.Options {
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
    axes: [axis, { ...axis, size: 62, values: (_, values) => values.map(rate) }],
    series: [{}, line('written', '--series-1'), line('published', '--series-2'), line('handled', '--series-3')],
  }
}
