/** What of V8's .cpuprofile files is read (Chrome DevTools protocol, Profiler.Profile). */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  /** The node that ran at each sample, and the microseconds since the sample before. */
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

export interface SelfTime {
  /** The function and where it is, or V8's own name in parentheses: `(garbage collector)`, `(program)`. */
  readonly where: string
  /** Of the time in which the process did something. */
  readonly percent: number
}

/** Where a process spent its own time, most first; waiting is left out. Pure. */
export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): SelfTime[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const spent = new Map<string, number>()
  let busy = 0
  for (const [at, id] of samples.entries()) {
    const name = names.get(id) ?? '(unknown)'
    if (name === '(idle)') continue
    const us = Math.max(0, timeDeltas[at] ?? 0)
    busy += us
    spent.set(name, (spent.get(name) ?? 0) + us)
  }
  return [...spent].map(([where, us]) => ({ where, percent: (us / busy) * 100 })).sort((a, b) => b.percent - a.percent)
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  if (functionName.startsWith('(')) return functionName
  const name = functionName === '' ? '(anonymous)' : functionName
  // Lines count from 0. A path is told from its package on.
  const place = url.startsWith('node:') ? url : (/(?:.*node_modules|packages)\/(.*)$/.exec(url)?.[1] ?? url)
  return place === '' ? name : `${name} ${place}:${lineNumber + 1}`
}
