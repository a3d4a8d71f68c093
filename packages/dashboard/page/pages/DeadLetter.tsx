import type { DeadLetterAction } from '@oncebox/ops'
import { useMe } from '../App.tsx'
import { api, type Letter } from '../api.ts'
import { useAsked } from '../asked.ts'
import { Badge } from '../parts/Badge.tsx'
import { Failure } from '../parts/Failure.tsx'
import { LetterActions } from '../parts/LetterActions.tsx'
import { Payload } from '../parts/Payload.tsx'
import { linkTo } from '../route.ts'
import { moment, plural, textOfBase64 } from '../words.ts'

/** One message that was given up: why, what it carries, who waits behind it, what was decided. */
export function DeadLetter({ number, database }: { number: string; database: string }) {
  const { value, failure, again } = useAsked(() => api.letter(number, database), [number, database], 3_000)
  return (
    <>
      <h1>Dead letter {number}</h1>
      <p>
        <a href={linkTo('dead-letters')}>All dead letters</a>
      </p>
      {failure !== null && <Failure failure={failure} />}
      {value?.letter === null && <p>It is not there any more: handled, or discarded.</p>}
      {value?.letter != null && <Details letter={value.letter} database={database} onDone={again} />}
      {value !== null && value.actions.length > 0 && <Decisions actions={value.actions} />}
    </>
  )
}

function Details({ letter, database, onDone }: { letter: Letter; database: string; onDone: () => void }) {
  const { maySeePayloads } = useMe()
  const whole = 'payload' in letter ? letter : null
  return (
    <>
      <p>
        {letter.retrying ? <Badge tone="wait">retrying</Badge> : <Badge tone="bad">waits for you</Badge>}{' '}
        <LetterActions filter={{ numbers: [letter.number], database }} letters={1} onDone={onDone} />
      </p>
      <dl>
        <dt>Why</dt>
        <dd>
          <code>{letter.reason}</code>
          {whole?.error != null && ` ${whole.error.name}: ${whole.error.message}`}
        </dd>
        <dt>Group</dt>
        <dd>{letter.group}</dd>
        <dt>Message</dt>
        <dd>
          <a href={linkTo('messages', letter.messageId)}>
            <code>{letter.messageId}</code>
          </a>{' '}
          of type {letter.type}, from {letter.source}
        </dd>
        <dt>From</dt>
        <dd>
          {letter.topic}, partition {letter.partition}
          {letter.offset !== null && `, offset ${letter.offset}`}
        </dd>
        <dt>Given up</dt>
        <dd>
          {moment(letter.deadAt)}, after {plural(letter.attempts, 'attempt')}
        </dd>
        {whole !== null && (
          <>
            <dt>Key</dt>
            <dd>{whole.key === null ? 'none' : textOfBase64(whole.key)}</dd>
            <dt>Wait behind it</dt>
            <dd>{whole.waiting === 0 ? 'nothing' : plural(whole.waiting, 'message')}</dd>
          </>
        )}
      </dl>
      {whole?.error?.stack !== undefined && (
        <details>
          <summary>Stack</summary>
          <pre>{whole.error.stack}</pre>
        </details>
      )}
      {whole !== null && whole.history.length > 0 && (
        <details>
          <summary>Attempts</summary>
          <ul>
            {whole.history.map(({ at, name, code }) => (
              <li key={at}>
                {moment(at)} {name} {code !== null && <code>{code}</code>}
              </li>
            ))}
          </ul>
        </details>
      )}
      {whole !== null && (
        <details>
          <summary>Payload and headers</summary>
          <Payload
            base64={whole.payload}
            headers={whole.headers.map(([name, value]) => [name, value === null ? null : textOfBase64(value)] as const)}
          />
        </details>
      )}
      {!maySeePayloads && <p class="soft">Its payload, key and error are for those who may see payloads.</p>}
    </>
  )
}

function Decisions({ actions }: { actions: readonly DeadLetterAction[] }) {
  return (
    <section aria-labelledby="decisions">
      <h2 id="decisions">What was done</h2>
      <ul>
        {actions.map(({ at, action, by, why }) => (
          <li key={`${at}${action}`}>
            {moment(at)} <strong>{action}</strong> by {by}
            {why !== null && `: ${why}`}
          </li>
        ))}
      </ul>
    </section>
  )
}
