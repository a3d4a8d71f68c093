import type { DeadLetterGroup, DeadLetterSummary } from '@oncebox/ops'
import { useState } from 'preact/hooks'
import type { Placed } from '../../src/picture.js'
import { useMe } from '../App.tsx'
import { api, type LetterQuery } from '../api.ts'
import { useAsked } from '../asked.ts'
import { Badge } from '../parts/Badge.tsx'
import { Failure } from '../parts/Failure.tsx'
import { LetterActions } from '../parts/LetterActions.tsx'
import { Scroll } from '../parts/Scroll.tsx'
import { linkTo, type Route } from '../route.ts'
import { ago, count, moment } from '../words.ts'
import { DeadLetter } from './DeadLetter.tsx'

const lookEveryMs = 5_000

export function DeadLetters({ route }: { route: Route }) {
  if (route.rest !== '') return <DeadLetter number={route.rest} database={route.query.get('database') ?? ''} />
  return route.query.size === 0 ? <Groups /> : <Letters filter={Object.fromEntries(route.query)} />
}

/** The filter that finds the letters of one line of the overview. */
const filterOf = ({ group, topic, type, reason, database }: Placed<DeadLetterGroup>) => {
  return { group, topic, type, reason, database }
}

function Groups() {
  const { value, failure, again } = useAsked(api.letterGroups, [], lookEveryMs)
  return (
    <>
      <h1>Dead letters</h1>
      <p class="soft">Messages that were given up. They wait here, whole, until a person decides.</p>
      {failure !== null && <Failure failure={failure} />}
      {value?.length === 0 && <p>There are none.</p>}
      {value !== null && value.length > 0 && (
        <Scroll label="Dead letters by what went wrong">
          <table>
            <caption>By what went wrong, the most frequent first</caption>
            <thead>
              <tr>
                <th scope="col" class="number">
                  Letters
                </th>
                <th scope="col">Group</th>
                <th scope="col">Type</th>
                <th scope="col">Reason</th>
                <th scope="col">Last</th>
                <th scope="col" class="number">
                  Keys waiting
                </th>
                <th scope="col">
                  <span class="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {value.map((row) => (
                <tr key={JSON.stringify(filterOf(row))}>
                  <td class="number">
                    <a href={linkTo('dead-letters', '', filterOf(row))}>{count(row.letters)}</a>
                  </td>
                  <td>{row.group}</td>
                  <td>{row.type}</td>
                  <td>
                    <code>{row.reason}</code>
                  </td>
                  <td>{ago(row.lastAt)}</td>
                  <td class="number">{row.parking > 0 ? count(row.parking) : '–'}</td>
                  <td class="acts">
                    {row.retrying > 0 && <Badge tone="wait">{count(row.retrying)} retrying</Badge>}{' '}
                    <LetterActions filter={filterOf(row)} letters={row.letters} onDone={again} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </>
  )
}

function Letters({ filter }: { filter: LetterQuery }) {
  const [pages, setPages] = useState<DeadLetterSummary[]>([])
  const { mayAct } = useMe()
  const { value, failure, again } = useAsked(() => api.letters(filter), [JSON.stringify(filter)], lookEveryMs)
  const letters = [...(value?.letters ?? []), ...pages]
  const more = async () => {
    const last = letters.at(-1)
    if (last === undefined) return
    const { letters: next } = await api.letters({ ...filter, after: last.number })
    setPages([...pages, ...next])
  }
  return (
    <>
      <h1>Dead letters {filter.reason !== undefined && <code>{filter.reason}</code>}</h1>
      <p>
        <a href={linkTo('dead-letters')}>All dead letters</a>
        {filter.group !== undefined && ` · group ${filter.group}`}
        {filter.type !== undefined && ` · type ${filter.type}`}
      </p>
      {failure !== null && <Failure failure={failure} />}
      {value !== null && mayAct && value.count > 0 && (
        <LetterActions filter={filter} letters={value.count} onDone={again} />
      )}
      {value !== null && (
        <Scroll label="Dead letters">
          <table>
            <caption>{count(value.count)} in all, the oldest first</caption>
            <thead>
              <tr>
                <th scope="col" class="number">
                  Number
                </th>
                <th scope="col">Given up</th>
                <th scope="col">Message</th>
                <th scope="col">From</th>
                <th scope="col" class="number">
                  Attempts
                </th>
                <th scope="col">State</th>
              </tr>
            </thead>
            <tbody>
              {letters.map((letter) => (
                <tr key={letter.number}>
                  <td class="number">
                    <a href={linkTo('dead-letters', letter.number, { database: filter.database ?? '' })}>
                      {letter.number}
                    </a>
                  </td>
                  <td>{moment(letter.deadAt)}</td>
                  <td>
                    <a href={linkTo('messages', letter.messageId)}>
                      <code>{letter.messageId}</code>
                    </a>
                  </td>
                  <td>
                    {letter.topic}, partition {letter.partition}
                    {letter.offset !== null && `, offset ${letter.offset}`}
                  </td>
                  <td class="number">{letter.attempts}</td>
                  <td>
                    {letter.retrying ? <Badge tone="wait">retrying</Badge> : <Badge tone="bad">waits for you</Badge>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {value !== null && letters.length < value.count && (
        <button type="button" onClick={more}>
          More
        </button>
      )}
    </>
  )
}
