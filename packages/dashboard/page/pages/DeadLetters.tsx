import type { DeadLetterGroup, DeadLetterSummary } from '@oncebox/ops'
import { useState } from 'preact/hooks'
import type { Placed } from '../../src/picture.js'
import { useMe } from '../App.tsx'
import { api, type LetterQuery } from '../api.ts'
import { useAsked } from '../asked.ts'
import { Badge } from '../parts/Badge.tsx'
import { Failure } from '../parts/Failure.tsx'
import { LetterActions } from '../parts/LetterActions.tsx'
import { type Column, Table } from '../parts/Table.tsx'
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

const groupColumns = (onDone: () => void): readonly Column<Placed<DeadLetterGroup>>[] => [
  {
    name: 'Letters',
    kind: 'number',
    cell: (row) => <a href={linkTo('dead-letters', '', filterOf(row))}>{count(row.letters)}</a>,
  },
  { name: 'Group', cell: ({ group }) => group },
  { name: 'Type', cell: ({ type }) => type },
  { name: 'Reason', cell: ({ reason }) => <code>{reason}</code> },
  { name: 'Last', cell: ({ lastAt }) => ago(lastAt) },
  { name: 'Keys waiting', kind: 'number', cell: ({ parking }) => (parking > 0 ? count(parking) : '–') },
  {
    name: 'Actions',
    kind: 'acts',
    cell: (row) => (
      <>
        {row.retrying > 0 && <Badge tone="wait">{count(row.retrying)} retrying</Badge>}{' '}
        <LetterActions filter={filterOf(row)} letters={row.letters} onDone={onDone} />
      </>
    ),
  },
]

function Groups() {
  const { value, failure, again } = useAsked(api.letterGroups, [], lookEveryMs)
  return (
    <>
      <h1>Dead letters</h1>
      <p class="soft">Messages that were given up. They wait here, whole, until a person decides.</p>
      {failure !== null && <Failure failure={failure} />}
      {value?.length === 0 && <p>There are none.</p>}
      {value !== null && value.length > 0 && (
        <Table
          label="Dead letters by what went wrong"
          caption="By what went wrong, the most frequent first"
          columns={groupColumns(again)}
          rows={value}
          keyOf={(row) => JSON.stringify(filterOf(row))}
        />
      )}
    </>
  )
}

const letterColumns = (database: string): readonly Column<DeadLetterSummary>[] => [
  {
    name: 'Number',
    kind: 'number',
    cell: ({ number }) => <a href={linkTo('dead-letters', number, { database })}>{number}</a>,
  },
  { name: 'Given up', cell: ({ deadAt }) => moment(deadAt) },
  {
    name: 'Message',
    cell: ({ messageId }) => (
      <a href={linkTo('messages', messageId)}>
        <code>{messageId}</code>
      </a>
    ),
  },
  {
    name: 'From',
    cell: ({ topic, partition, offset }) =>
      `${topic}, partition ${partition}${offset === null ? '' : `, offset ${offset}`}`,
  },
  { name: 'Attempts', kind: 'number', cell: ({ attempts }) => attempts },
  {
    name: 'State',
    cell: ({ retrying }) => (retrying ? <Badge tone="wait">retrying</Badge> : <Badge tone="bad">waits for you</Badge>),
  },
]

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
        <Table
          label="Dead letters"
          caption={`${count(value.count)} in all, the oldest first`}
          columns={letterColumns(filter.database ?? '')}
          rows={letters}
          keyOf={({ number }) => number}
        />
      )}
      {value !== null && letters.length < value.count && (
        <button type="button" onClick={more}>
          More
        </button>
      )}
    </>
  )
}
