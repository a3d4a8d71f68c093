/** One line of Prometheus' text format. */
export interface Sample {
  /** As it stands there: `name{label="value"}`. */
  readonly series: string
  readonly value: number
  /** What stands behind `#`, in OpenMetrics. */
  readonly exemplar: string | null
}

/** Reads the text format. Throws for a line that is none of it. */
export function exposition(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = /^([a-z_]\w*(?:\{(?:[a-z_]\w*="(?:[^"\\]|\\.)*",?)*\})?) (\S+)(?: # (.+))?$/.exec(line)
      if (match === null) throw new Error(`not a sample: ${line}`)
      return { series: String(match[1]), value: Number(match[2]), exemplar: match[3] ?? null }
    })
}
