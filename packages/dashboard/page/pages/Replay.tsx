import type { PlannedReplay } from '@oncebox/ops'
import { useState } from 'preact/hooks'
import type { ReplayProgress } from '../../src/replayProgress.js'
import { useMe } from '../App.tsx'
import { api, type MessageQuery, type Refused } from '../api.ts'
import { useAsked } from '../asked.ts'
import { Badge, type Tone } from '../parts/Badge.tsx'
import { Command } from '../parts/Command.tsx'
import { Confirm } from '../parts/Confirm.tsx'
import { Failure } from '../parts/Failure.tsx'
import { SearchForm } from '../parts/SearchForm.tsx'
import { count, plural } from '../words.ts'

const rate = 1_000

/** Publishes messages of the outbox again, with their ids: counted first, then started, followed and cancelled here. */
export function Replay() {
  const { mayAct } = useMe()
  const [planned, setPlanned] = useState<{ query: MessageQuery; plan: PlannedReplay } | null>(null)
  const [failure, setFailure] = useState<Refused | null>(null)
  const [asking, setAsking] = useState(false)
  const replays = useAsked(api.replays, [], 1_000)

  const plan = (query: MessageQuery) =>
    api.planReplay(query).then((found) => {
      setPlanned({ query, plan: found })
      setFailure(null)
    }, setFailure)

  return (
    <>
      <h1>Replay</h1>
      <p class="soft">
        The relay publishes them again, in their order and with their ids: a group that handled one skips it, a group
        that missed it handles it.
      </p>
      <SearchForm verb="Count" onSearch={plan} />
      {failure !== null && <Failure failure={failure} />}
      {planned !== null && (
        <section aria-live="polite">
          <p class="big">
            <strong>{count(planned.plan.messages)}</strong> {planned.plan.messages === 1 ? 'message' : 'messages'}
          </p>
          <ul>
            {planned.plan.topics.map(({ topic, messages }) => (
              <li key={topic}>
                {count(messages)} of {topic}
              </li>
            ))}
          </ul>
          {mayAct && planned.plan.messages > 0 && (
            <button type="button" class="primary" onClick={() => setAsking(true)}>
              Publish {plural(planned.plan.messages, 'message')} again
            </button>
          )}
          {!mayAct && <p class="soft">You may look here, and not replay.</p>}
        </section>
      )}
      {asking && planned !== null && (
        <Confirm
          title={`Publish ${plural(planned.plan.messages, 'message')} again?`}
          verb="Start"
          onConfirm={() => api.startReplay({ ...planned.query, rate }).then(replays.again)}
          onClose={() => setAsking(false)}
        >
          <p>At {count(rate)} a second. It can be cancelled half way.</p>
        </Confirm>
      )}
      {replays.value !== null && replays.value.length > 0 && (
        <section aria-labelledby="started">
          <h2 id="started">Started here</h2>
          <ul class="replays">
            {replays.value.map((progress) => (
              <Started key={progress.id} progress={progress} mayAct={mayAct} onDone={replays.again} />
            ))}
          </ul>
        </section>
      )}
    </>
  )
}

const tones: Readonly<Record<ReplayProgress['state'], Tone>> = {
  running: 'wait',
  done: 'good',
  cancelled: 'plain',
  failed: 'bad',
}

function Started({ progress, mayAct, onDone }: { progress: ReplayProgress; mayAct: boolean; onDone: () => void }) {
  const { id, by, state, copied, messages, rest } = progress
  return (
    <li>
      <Badge tone={tones[state]}>{state}</Badge> {count(copied)} of {count(messages)}, by {by}
      <progress max={Math.max(1, messages)} value={copied} aria-label="Messages copied" />
      {mayAct && state === 'running' && (
        <button type="button" onClick={() => api.cancelReplay(id).then(onDone, onDone)}>
          Cancel
        </button>
      )}
      {rest !== null && state !== 'running' && (
        <p>
          Goes on with: <Command text={`oncebox replay --after ${rest.after} --before ${rest.before}`} />
        </p>
      )}
    </li>
  )
}
