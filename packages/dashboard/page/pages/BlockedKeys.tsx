import type { BlockedKey, ParkedGroup } from '@oncebox/ops'
import type { Placed } from '../../src/picture.js'
import { api } from '../api.ts'
import { useAsked } from '../asked.ts'
import { Command } from '../parts/Command.tsx'
import { Failure } from '../parts/Failure.tsx'
import { LetterActions } from '../parts/LetterActions.tsx'
import { type Column, Table } from '../parts/Table.tsx'
import { linkTo } from '../route.ts'
import { ago, count, moment, plural, textOfBase64 } from '../words.ts'

/** Keys whose messages wait: at consumers behind a dead letter, at the relay behind what cannot be published. */
export function BlockedKeys() {
  const { value, failure, again } = useAsked(api.blockedKeys, [], 3_000)
  return (
    <>
      <h1>Blocked keys</h1>
      <p class="soft">
        Messages of one key are handled in order, so one that cannot be handled keeps the later ones waiting.
      </p>
      {failure !== null && <Failure failure={failure} />}
      {value !== null && (
        <>
          <section aria-labelledby="consumers">
            <h2 id="consumers">At consumers</h2>
            {value.consumers.length === 0 ? <p>No key waits.</p> : <Keys keys={value.consumers} onDone={again} />}
            {value.more && <p class="soft">There are more; these are the oldest.</p>}
          </section>
          <section aria-labelledby="relay">
            <h2 id="relay">At the relay</h2>
            {value.relay.length === 0 ? <p>Everything can be published.</p> : <Parked groups={value.relay} />}
          </section>
        </>
      )}
    </>
  )
}

function Keys({ keys, onDone }: { keys: readonly Placed<BlockedKey>[]; onDone: () => void }) {
  const columns: readonly Column<Placed<BlockedKey>>[] = [
    { name: 'Since', cell: ({ since }) => ago(since) },
    { name: 'Group', cell: ({ group }) => group },
    { name: 'Topic', cell: ({ topic }) => topic },
    {
      name: 'Key',
      kind: 'cut',
      cell: ({ key }) => (key === null ? <span class="soft">hidden</span> : textOfBase64(key)),
    },
    { name: 'Waiting', kind: 'number', cell: ({ waiting }) => count(waiting) },
    { name: 'Behind', cell: (key) => <Behind of={key} /> },
    {
      name: 'Actions',
      kind: 'acts',
      cell: ({ behind, database }) =>
        behind !== null && (
          <LetterActions filter={{ numbers: [behind.number], database }} letters={1} onDone={onDone} />
        ),
    },
  ]
  const keyOf = ({ database, group, topic, keyDigest }: Placed<BlockedKey>) =>
    `${database} ${group} ${topic} ${keyDigest}`
  return <Table label="Keys that wait" columns={columns} rows={keys} keyOf={keyOf} />
}

function Behind({ of: { behind, dueAt, database } }: { of: Placed<BlockedKey> }) {
  if (behind === null) return <>{dueAt !== null && `a retry at ${moment(dueAt)}`}</>
  return (
    <span>
      <a href={linkTo('dead-letters', behind.number, { database })}>dead letter {behind.number}</a>{' '}
      <code>{behind.reason}</code>
    </span>
  )
}

function Parked({ groups }: { groups: readonly ParkedGroup[] }) {
  return (
    <ul class="problems">
      {groups.map(({ lane, topic, reason, messages, keys, firstKeys, firstId }) => (
        <li key={`${lane} ${topic} ${reason}`}>
          <strong>
            {plural(messages, 'message')} of {plural(keys, 'key')} for {topic}: <code>{reason}</code>
          </strong>
          <p>
            The first is <a href={linkTo('messages', firstId)}>{firstId}</a>
            {firstKeys.length > 0 && `, of key ${firstKeys.map((key) => key ?? '(none)').join(', ')}`}
            {keys > firstKeys.length && ` and ${count(keys - firstKeys.length)} more`}. When its cause is gone, the
            relay publishes them by itself, in order.
          </p>
          <Command text={`oncebox show ${firstId}`} />
        </li>
      ))}
    </ul>
  )
}
