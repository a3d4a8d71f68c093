import type { ConsumerStatus, PlannedReplay } from '@oncebox/ops'
import { useState } from 'preact/hooks'
import type { Placed } from '../../src/picture.js'
import type { ReplayProgress } from '../../src/replayProgress.js'
import { useMe } from '../App.tsx'
import { api, type MessageQuery, type Refused } from '../api.ts'
import { useAsked } from '../asked.ts'
import { useLive } from '../live.ts'
import { Badge, type Tone } from '../parts/Badge.tsx'
import { Command } from '../parts/Command.tsx'
import { Confirm } from '../parts/Confirm.tsx'
import { Failure } from '../parts/Failure.tsx'
import { SearchForm } from '../parts/SearchForm.tsx'
import { count, plural } from '../words.ts'

const rate = 1_000

/** Who gets the messages: everybody, by a publish, or one group of one database, which handles them again. */
type Receiver = null | { readonly group: string; readonly database: string }

interface Planned {
  readonly query: MessageQuery
  readonly plan: PlannedReplay
}

/** Has messages of the outbox published, or handled, again: counted first, then started, followed and cancelled here. */
export function Replay() {
  const { mayAct } = useMe()
  const { overview } = useLive()
  const [planned, setPlanned] = useState<Planned | null>(null)
  const [receiver, setReceiver] = useState<Receiver>(null)
  const [failure, setFailure] = useState<Refused | null>(null)
  const [asking, setAsking] = useState(false)
  const replays = useAsked(api.replays, [], 1_000)

  const plan = (query: MessageQuery) =>
    api.planReplay(query).then((found) => {
      setPlanned({ query, plan: found })
      setFailure(null)
    }, setFailure)
  const start = ({ query }: Planned, why: string) =>
    api.startReplay({ ...query, rate, ...(receiver === null ? {} : { ...receiver, why }) }).then(replays.again)

  return (
    <>
      <h1>Replay</h1>
      <p class="soft">
        Messages that are still in the outbox, once more. Published again, they keep their order and their ids: a group
        that handled one skips it, a group that missed it handles it. Or one group handles them again, whatever it
        remembers.
      </p>
      <SearchForm verb="Count" onSearch={plan} />
      {failure !== null && <Failure failure={failure} />}
      {planned !== null && (
        <section aria-live="polite" aria-label="What would be replayed">
          <Counted plan={planned.plan} />
          {mayAct && planned.plan.messages > 0 && (
            <div class="search">
              <Receivers groups={overview?.consumers ?? []} onChoose={setReceiver} />
              <button type="button" class={receiver === null ? 'primary' : 'danger'} onClick={() => setAsking(true)}>
                {verbOf(planned.plan, receiver)}
              </button>
            </div>
          )}
          {!mayAct && <p class="soft">You may look here, and not replay.</p>}
        </section>
      )}
      {asking && planned !== null && (
        <Confirm
          title={`${verbOf(planned.plan, receiver)}?`}
          verb="Start"
          dangerous={receiver !== null}
          {...(receiver === null ? {} : { reason: 'required' as const })}
          onConfirm={(why) => start(planned, why)}
          onClose={() => setAsking(false)}
        >
          {receiver !== null && (
            <p>
              Their effects happen again in {receiver.group}: invoices, mails, counters. What makes them harmless twice
              has to be in its handlers.
            </p>
          )}
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

/** The count, and what it does not cover. */
function Counted({ plan: { messages, exact, estimate, topics } }: { plan: PlannedReplay }) {
  return (
    <>
      <p class="big">
        <strong>
          {exact ? '' : 'at least '}
          {count(messages)}
        </strong>
        {messages === 1 && exact ? 'message' : 'messages'}
        {!exact && ` among the first 50,000 rows of this time; about ${count(estimate)} in all of it`}
      </p>
      <ul>
        {topics.map((one) => (
          <li key={one.topic}>
            {count(one.messages)} of {one.topic}
          </li>
        ))}
      </ul>
    </>
  )
}

function verbOf({ estimate, exact }: PlannedReplay, receiver: Receiver): string {
  const what = `${exact ? '' : 'about '}${plural(estimate, 'message')}`
  return receiver === null ? `Publish ${what} again` : `Have ${receiver.group} handle ${what} again`
}

function Receivers(props: { groups: readonly Placed<ConsumerStatus>[]; onChoose: (receiver: Receiver) => void }) {
  const { groups, onChoose } = props
  const choose = (value: string) => onChoose(value === '' ? null : (JSON.parse(value) as Receiver))
  return (
    <label>
      For
      <select onChange={(event) => choose(event.currentTarget.value)}>
        <option value="">every group: publish again</option>
        {groups.map(({ group, database }) => (
          <option key={`${database} ${group}`} value={JSON.stringify({ group, database })}>
            {group}
            {database === '' ? '' : ` in ${database}`} alone: handle again
          </option>
        ))}
      </select>
    </label>
  )
}

const tones: Readonly<Record<ReplayProgress['state'], Tone>> = {
  running: 'wait',
  done: 'good',
  cancelled: 'plain',
  failed: 'bad',
}

function Started({ progress, mayAct, onDone }: { progress: ReplayProgress; mayAct: boolean; onDone: () => void }) {
  const { id, by, group, state, copied, messages, exact, goOn } = progress
  return (
    <li>
      <Badge tone={tones[state]}>{state}</Badge> {count(copied)} of {exact ? '' : 'about '}
      {count(messages)}, {group === null ? 'published again' : `handled again by ${group}`}, asked for by {by}
      <progress max={Math.max(1, messages, copied)} value={copied} aria-label="Messages copied" />
      {mayAct && state === 'running' && (
        <button type="button" onClick={() => api.cancelReplay(id).then(onDone, onDone)}>
          Cancel
        </button>
      )}
      {goOn !== null && state !== 'running' && (
        <p>
          Goes on with: <Command text={goOn} />
        </p>
      )}
    </li>
  )
}
