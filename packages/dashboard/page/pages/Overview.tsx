import type { Annotation } from '../../src/picture.js'
import { useLive } from '../live.ts'
import { Chart } from '../parts/Chart.tsx'
import { WithCommands } from '../parts/Command.tsx'
import { Flow } from '../parts/Flow.tsx'
import { linkTo } from '../route.ts'
import { moment } from '../words.ts'

/** Where each kind of problem is looked at more closely. */
const closer: Readonly<Record<string, readonly [page: string, words: string]>> = {
  DEAD_LETTERS: ['dead-letters', 'Read why, retry or discard'],
  KEYS_PARKED: ['blocked-keys', 'See what waits'],
  NO_RELAY: ['storage', 'See the lanes'],
  LANE_BEHIND: ['storage', 'See the lanes'],
  PAUSED: ['storage', 'See what is paused, and resume'],
  RING_FULL: ['storage', 'See the ring'],
  LEAF_NOT_RECLAIMED: ['storage', 'See the ring'],
}

export function Overview() {
  const { overview, points } = useLive()
  if (overview === null) return <h1>Overview</h1>
  const { problems, annotations } = overview
  return (
    <>
      <h1>Overview</h1>
      <Flow overview={overview} />
      <section aria-labelledby="problems">
        <h2 id="problems">{problems.length === 0 ? 'Nothing is stuck' : 'What will not mend itself'}</h2>
        {problems.length === 0 && <p class="soft">Messages flow, and nothing waits for a person.</p>}
        <ul class="problems" aria-live="polite">
          {problems.map(({ code, what, next }) => (
            <li key={what}>
              <div class="head">
                <strong>{what}</strong>
                <Closer code={code} />
              </div>
              <p>
                <WithCommands text={next} />
              </p>
            </li>
          ))}
        </ul>
      </section>
      <section aria-labelledby="rates">
        <h2 id="rates">Messages a second</h2>
        <p class="legend">
          <span class="series-1">written</span> <span class="series-2">published</span>{' '}
          <span class="series-3">handled, all groups</span>
        </p>
        <Chart points={points} annotations={annotations} />
        {annotations.length > 0 && <Annotations annotations={annotations} />}
      </section>
    </>
  )
}

function Annotations({ annotations }: { annotations: readonly Annotation[] }) {
  return (
    <ol class="annotations" aria-label="What happened">
      {annotations.toReversed().map(({ atMs, text }) => (
        <li key={`${atMs} ${text}`}>
          <span class="time soft">{moment(new Date(atMs).toISOString())}</span> {text}
        </li>
      ))}
    </ol>
  )
}

function Closer({ code }: { code: string }) {
  const there = closer[code]
  if (there === undefined) return null
  const [page, words] = there
  return (
    <a class="button" href={linkTo(page)}>
      {words}
    </a>
  )
}
