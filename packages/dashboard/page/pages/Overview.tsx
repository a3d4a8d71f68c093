import { useLive } from '../live.ts'
import { Chart } from '../parts/Chart.tsx'
import { WithCommands } from '../parts/Command.tsx'
import { Flow } from '../parts/Flow.tsx'
import { linkTo } from '../route.ts'

/** Where each kind of problem is looked at more closely. */
const closer: Readonly<Record<string, string>> = {
  DEAD_LETTERS: 'dead-letters',
  KEYS_PARKED: 'blocked-keys',
  NO_RELAY: 'storage',
  LANE_BEHIND: 'storage',
  PAUSED: 'storage',
  RING_FULL: 'storage',
  LEAF_NOT_RECLAIMED: 'storage',
}

export function Overview() {
  const { overview, points } = useLive()
  if (overview === null) return <h1>Overview</h1>
  const { problems } = overview
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
              <strong>{what}</strong>
              <p>
                <WithCommands text={next} />
              </p>
              {closer[code] !== undefined && <a href={linkTo(closer[code] ?? '')}>Look closer</a>}
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
        <Chart points={points} />
      </section>
    </>
  )
}
