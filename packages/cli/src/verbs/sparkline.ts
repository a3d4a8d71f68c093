const blocks = '▁▂▃▄▅▆▇█'

/**
 * The newest `width` values as a chart one line high: the highest of them is a full block, 0 the lowest one. Pure. Shorter
 * histories stand at the right.
 */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width)
  const highest = Math.max(...shown, 0)
  const chart = shown.map((value) => {
    if (!(value > 0) || highest === 0) return blocks[0]
    return blocks[Math.max(1, Math.ceil((value / highest) * (blocks.length - 1)))]
  })
  return chart.join('').padStart(width)
}
