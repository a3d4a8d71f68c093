import type { CheckReport } from '@oncebox/ops'
import { api } from '../api.ts'
import { useAsked } from '../asked.ts'
import { Badge, type Tone } from '../parts/Badge.tsx'
import { WithCommands } from '../parts/Command.tsx'
import { Failure } from '../parts/Failure.tsx'

const tones: Readonly<Record<CheckReport['state'], Tone>> = {
  fine: 'good',
  advice: 'wait',
  problem: 'bad',
  skipped: 'plain',
}
const order: readonly CheckReport['state'][] = ['problem', 'advice', 'fine', 'skipped']

export function Doctor() {
  const { value, failure, asking, again } = useAsked(api.doctor, [])
  const reports = (value ?? []).toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
  return (
    <>
      <h1>Doctor</h1>
      <p>
        <button type="button" onClick={again} disabled={asking}>
          {asking ? 'Looking…' : 'Look again'}
        </button>{' '}
        <span class="soft">It takes about two seconds and changes nothing.</span>
      </p>
      {failure !== null && <Failure failure={failure} />}
      <ul class="checks" aria-live="polite">
        {reports.map(({ check, state, reason, findings, database }) => (
          <li key={`${database} ${check}`}>
            {findings.length === 0 && <Heading state={state} text={check} database={database} />}
            {reason !== null && <p class="soft">Not checked: {reason}.</p>}
            {findings.map(({ what, why, next }) => (
              <div key={what}>
                <Heading state={state} text={what} database={database} />
                <p class="soft">
                  Expected: {check}. {why}
                </p>
                <p>
                  <WithCommands text={next} />
                </p>
              </div>
            ))}
          </li>
        ))}
      </ul>
    </>
  )
}

function Heading({ state, text, database }: { state: CheckReport['state']; text: string; database: string }) {
  return (
    <h2>
      <Badge tone={tones[state]}>{state}</Badge> {text} {database !== '' && <span class="soft">in {database}</span>}
    </h2>
  )
}
