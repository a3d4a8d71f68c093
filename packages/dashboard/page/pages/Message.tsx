import type { MessageBody, Timeline } from '@oncebox/ops'
import { useState } from 'preact/hooks'
import { useMe } from '../App.tsx'
import { api, type Refused, type Way } from '../api.ts'
import { useAsked } from '../asked.ts'
import { Badge, type Tone } from '../parts/Badge.tsx'
import { Failure } from '../parts/Failure.tsx'
import { Payload } from '../parts/Payload.tsx'
import { linkTo } from '../route.ts'
import { bytes, moment } from '../words.ts'

type Effect = Way['effects'][number]
type Write = Timeline['writes'][number]

const tones: Readonly<Record<Effect['state'], Tone>> = {
  handled: 'good',
  failing: 'bad',
  waiting: 'wait',
  dead: 'bad',
  retrying: 'wait',
}

/** The way of one message: written, published, handled, as far as this database knows it. */
export function Message({ id }: { id: string }) {
  const [everywhere, setEverywhere] = useState(false)
  const { value, failure, asking, again } = useAsked(() => api.message(id, everywhere), [id, everywhere])
  return (
    <>
      <h1>
        Message <code class="id">{id}</code>
      </h1>
      {failure !== null && <Failure failure={failure} />}
      {value !== null && !value.known && (
        <p>This database knows nothing of it: never written here, rolled back, or past its retention.</p>
      )}
      {value?.known && <Steps way={value} />}
      {value !== null && value.searchedBackTo !== null && (
        <p class="soft">
          Looked for about the time that is in the id, and among what was written since {moment(value.searchedBackTo)}:
          a copy by an earlier replay is not found here.
        </p>
      )}
      <p class="buttons-left">
        <button type="button" onClick={again} disabled={asking}>
          Look again
        </button>
        {value !== null && value.searchedBackTo !== null && (
          <button type="button" onClick={() => setEverywhere(true)} disabled={asking}>
            Look through everything
          </button>
        )}
      </p>
    </>
  )
}

function Steps({ way: { scheduledFor, writes, parked, effects } }: { way: Way }) {
  return (
    <ol class="way">
      {scheduledFor !== null && (
        <li class="wait">
          <h2>Scheduled</h2>
          <p>It is due at {moment(scheduledFor)}.</p>
        </li>
      )}
      {writes.map((write, place) => (
        <WriteSteps key={write.position} write={write} again={place > 0} />
      ))}
      {parked !== null && (
        <li class="bad">
          <h2>Parked by the relay</h2>
          <p>
            Since {moment(parked.at)}: <code>{parked.reason}</code>.{' '}
            <a href={linkTo('blocked-keys')}>What waits with it</a>
          </p>
        </li>
      )}
      {effects.map((effect) => (
        <EffectStep key={`${effect.database} ${effect.group}`} effect={effect} />
      ))}
      {effects.length === 0 && (
        <li class="wait">
          <h2>No group of this database has it</h2>
          <p>It may be on its way, or its consumers have a database of their own.</p>
        </li>
      )}
    </ol>
  )
}

function WriteSteps({ write, again }: { write: Write; again: boolean }) {
  const { maySeePayloads } = useMe()
  return (
    <>
      <li class="good">
        <h2>{again ? 'Written again, by a replay' : 'Written'}</h2>
        <p>
          {moment(write.at)} by transaction <code>{write.transaction}</code> of {write.source}, at position{' '}
          <code>{write.position}</code>.
        </p>
        <dl>
          <dt>Topic</dt>
          <dd>{write.topic}</dd>
          <dt>Key</dt>
          <dd>{write.key ?? 'none'}</dd>
          <dt>Type</dt>
          <dd>{write.type}</dd>
        </dl>
        {maySeePayloads && <Body position={write.position} />}
      </li>
      {write.publications.map(({ at, topic, partition, offset, certain }) => (
        <li class="good" key={at}>
          <h2>Published</h2>
          <p>
            {moment(at)} to {topic}, partition {partition}
            {offset !== null && (
              <>
                , offset <code>{offset}</code>
              </>
            )}
            {!certain && ' (one of those it can be: it has no key)'}.
          </p>
        </li>
      ))}
      {write.publications.length === 0 && (
        <li class={write.state === 'published' ? 'good' : 'wait'}>
          <h2>{write.state === 'published' ? 'Published' : 'Not published yet'}</h2>
          <p>{write.state === 'published' ? 'When and where is not kept any more.' : `Its state: ${write.state}.`}</p>
        </li>
      )}
    </>
  )
}

function EffectStep({ effect }: { effect: Effect }) {
  const { database, group, state, attempts, at, deadLetter, reason, actions } = effect
  return (
    <li class={tones[state]}>
      <h2>
        {group} <Badge tone={tones[state]}>{state}</Badge>
      </h2>
      <p>
        {attempts > 0 && `${attempts} failed attempt${attempts === 1 ? '' : 's'}. `}
        {at !== null && `${moment(at)}. `}
        {reason !== null && <code>{reason}</code>}{' '}
        {deadLetter !== null && <a href={linkTo('dead-letters', deadLetter, { database })}>Dead letter {deadLetter}</a>}
      </p>
      {actions.map((action) => (
        <p key={action.at}>
          {moment(action.at)} {action.action} by {action.by}
        </p>
      ))}
    </li>
  )
}

function Body({ position }: { position: string }) {
  const [body, setBody] = useState<MessageBody | null>(null)
  const [failure, setFailure] = useState<Refused | null>(null)
  const show = () => api.body(position).then(setBody, setFailure)
  if (failure !== null) return <Failure failure={failure} />
  if (body === null) {
    return (
      <button type="button" onClick={show}>
        Show the payload and headers
      </button>
    )
  }
  return (
    <>
      <p class="soft">
        {bytes(body.bytes)} of {body.contentType ?? 'an unknown type'}
      </p>
      <Payload base64={body.payload} headers={Object.entries(body.headers)} />
    </>
  )
}
